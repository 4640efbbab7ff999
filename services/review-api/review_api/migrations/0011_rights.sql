-- Whose items these are, and what had to be forgotten.

CREATE TABLE item_owners (
    owner   text COLLATE "C" NOT NULL,
    project text COLLATE "C" NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, project, item_id)
);
COMMENT ON TABLE item_owners IS 'Only items that say whose they are: others cost nothing.';

CREATE TABLE erased (
    item_hash text COLLATE "C" PRIMARY KEY,
    erasure_id bigint NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE erased IS 'Items that the ledger refuses for good, by the hash of project and id: all that is kept of them.';

CREATE TABLE erasures (
    erasure_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state        text NOT NULL DEFAULT 'erasing' CHECK (state IN ('erasing', 'confirming', 'done')),
    requested_by text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz,
    owner        text COLLATE "C",
    project      text COLLATE "C",
    items        integer NOT NULL DEFAULT 0,
    removed      jsonb NOT NULL DEFAULT '{}',
    quoted       text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX erasures_open ON erasures (erasure_id) WHERE state <> 'done';
COMMENT ON COLUMN erasures.owner IS 'Whose items are erased, as long as that goes on; forgotten afterwards.';
COMMENT ON COLUMN erasures.removed IS 'What review-api took out or blanked: rows by table.';

COMMENT ON COLUMN erasures.quoted IS 'Guidelines that a manager took an example from the items into: these are people''s own words, and theirs to mend.';

CREATE TABLE erasure_items (
    project      text COLLATE "C" NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    erasure_id   bigint NOT NULL REFERENCES erasures,
    item_hash    text COLLATE "C" NOT NULL UNIQUE,
    content_hash text COLLATE "C" NOT NULL DEFAULT '',
    state        text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'erased', 'published')),
    records      jsonb NOT NULL DEFAULT '[]',
    confirmed    text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (project, item_id)
);
CREATE INDEX erasure_items_by_state ON erasure_items (state, erasure_id);
CREATE INDEX erasure_items_by_erasure ON erasure_items (erasure_id, state);
COMMENT ON TABLE erasure_items IS 'What is being erased; a row goes once every service has confirmed.';
COMMENT ON COLUMN erasure_items.records IS 'What to erase in Kafka: partition and key of each record that may be there.';

CREATE TABLE erasure_confirmations (
    partition  integer NOT NULL,
    "offset"   bigint NOT NULL,
    erasure_id bigint NOT NULL REFERENCES erasures,
    service    text NOT NULL,
    removed    jsonb NOT NULL,
    PRIMARY KEY (partition, "offset")
);
CREATE INDEX erasure_confirmations_by_erasure ON erasure_confirmations (erasure_id);
