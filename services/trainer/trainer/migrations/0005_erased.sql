-- Items that are not learned from any more, by the hash of project and id: all that is kept of them.
CREATE TABLE erased (
    item_hash text PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

-- A dataset stays what it was, but for members whose decisions are erased.
ALTER TABLE datasets ADD COLUMN erased integer NOT NULL DEFAULT 0;

-- It has learned from a decision that is erased, and is to be replaced.
ALTER TABLE releases ADD COLUMN retrain boolean NOT NULL DEFAULT false;
