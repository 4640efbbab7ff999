-- Items that are not asked about any more, by the hash of project and id: all that is kept of them.
CREATE TABLE erased (
    item_hash text COLLATE "C" PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
