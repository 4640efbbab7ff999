-- Who may claim what, and what happens when people differ.

CREATE TABLE skills (
    project    text COLLATE "C" NOT NULL,
    reviewer   text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    skill      text COLLATE "C" NOT NULL,
    source     text NOT NULL CHECK (source IN ('manager', 'gold')),
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, reviewer, skill)
);
COMMENT ON COLUMN skills.source IS 'Who granted it: a manager, or gold tasks of the skill, answered well.';

-- In front of the order: a person's pools are searched one after the other, each by its own part of the index.
ALTER TABLE assignments
    ADD COLUMN pool text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN extra boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN assignments.pool IS
    'Who may claim it: nothing for anybody, or the skill it takes; with an exclamation mark behind it, the item distresses.';
COMMENT ON COLUMN assignments.extra IS 'Asked for because those before it differ; withdrawn if they no longer do.';
DROP INDEX assignments_open;
CREATE INDEX assignments_open ON assignments (project, pool, begun, priority, task_id, slot) WHERE state = 'open';

ALTER TABLE tasks DROP CONSTRAINT tasks_needed_check, ADD CONSTRAINT tasks_needed_check CHECK (needed BETWEEN 1 AND 12);
COMMENT ON COLUMN tasks.needed IS 'Decisions the project asks for, at most 9, one of an expert, and up to two of a re-review.';

CREATE TABLE queue_orders (
    project    text COLLATE "C" PRIMARY KEY,
    basis      text NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN queue_orders.basis IS 'What the places of the waiting tasks follow from: release, order, SLA and pools.';
