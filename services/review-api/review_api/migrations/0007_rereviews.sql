-- Decisions that are likely wrong are made again: by one further person, and by another where the two differ.

CREATE TABLE rereviews (
    task_id    bigint PRIMARY KEY,
    project    text COLLATE "C" NOT NULL,
    label      jsonb NOT NULL,
    decisions  smallint NOT NULL,
    decided_at bigint NOT NULL,
    opened_at  timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    changed    boolean
);
CREATE INDEX rereviews_by_project ON rereviews (project, opened_at);
COMMENT ON TABLE rereviews IS 'Settled tasks that were opened again, each once and for good: the key refuses a second time.';
COMMENT ON COLUMN rereviews.label IS 'What the task had settled on, which stands until it settles again; with it decided_at.';
COMMENT ON COLUMN rereviews.decisions IS 'How many decisions the task had when it was opened again.';
COMMENT ON COLUMN rereviews.changed IS 'Whether it settled on another label; set when that can no longer be undone.';

ALTER TABLE tasks DROP CONSTRAINT tasks_needed_check, ADD CONSTRAINT tasks_needed_check CHECK (needed BETWEEN 1 AND 11);
COMMENT ON COLUMN tasks.needed IS 'Decisions the project asks for, at most 9, and up to two of a re-review.';
COMMENT ON COLUMN tasks.label IS 'What the decisions settled on, once there are enough; it stands while the task is reviewed again.';

-- A re-review is not begun: what is begun comes first in the queue, and a re-review comes last. Dropping the
-- column drops its index.
ALTER TABLE assignments
    ADD COLUMN again boolean NOT NULL DEFAULT false,
    DROP COLUMN begun;
ALTER TABLE assignments
    ADD COLUMN begun boolean NOT NULL GENERATED ALWAYS AS (slot > 0 AND NOT again) STORED;
CREATE INDEX assignments_open ON assignments (project, begun, priority, task_id, slot) WHERE state = 'open';
COMMENT ON COLUMN assignments.again IS 'It belongs to a re-review, and is blind.';
COMMENT ON COLUMN assignments.begun IS 'Once it is open, somebody has the task in hand already, or decided it; never of a re-review.';

ALTER TABLE outbox ADD COLUMN again boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN outbox.again IS 'A re-review settled it: the figures have counted the task already.';
