-- Items whose true label is known, the checks of people by them, and who is paused for it. All are small.

CREATE TABLE gold_items (
    gold_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project      text COLLATE "C" NOT NULL REFERENCES projects ON DELETE CASCADE,
    item_id      text COLLATE "C" NOT NULL,
    content      text,
    content_hash text COLLATE "C",
    metadata     jsonb NOT NULL,
    label        jsonb NOT NULL,
    explanation  text NOT NULL,
    skill        text COLLATE "C",
    added_by     text NOT NULL,
    added_at     timestamptz NOT NULL DEFAULT now(),
    retired_at   timestamptz,
    UNIQUE (project, item_id),
    UNIQUE (project, content_hash)
);
COMMENT ON COLUMN gold_items.content IS 'Of a text that is no item of the project; null: the item''s own.';
COMMENT ON COLUMN gold_items.item_id IS 'What people see; of a text that is no item, one like the project''s.';
COMMENT ON COLUMN gold_items.skill IS 'Who answers enough of these well has the skill.';

-- A check is no task: nothing that counts tasks, trains or judges the machine reads it.
CREATE TABLE gold_checks (
    task_id     bigint PRIMARY KEY,
    gold_id     bigint NOT NULL REFERENCES gold_items ON DELETE CASCADE,
    project     text COLLATE "C" NOT NULL,
    reviewer    text COLLATE "C" NOT NULL,
    purpose     text NOT NULL CHECK (purpose IN ('check', 'training', 'qualification')),
    suggested   boolean NOT NULL,
    pool        text COLLATE "C" NOT NULL,
    place       smallint NOT NULL,
    needed      smallint NOT NULL,
    fence       bigint NOT NULL,
    leased_at   timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    skip_until  timestamptz,
    skipped_at  timestamptz,
    skip_reason text,
    late        jsonb,
    late_at     timestamptz,
    label       jsonb,
    guideline_version integer,
    seconds     double precision,
    decided_at  timestamptz,
    undo_until  timestamptz,
    UNIQUE (gold_id, reviewer),
    CHECK ((label IS NULL) = (decided_at IS NULL))
);
CREATE INDEX gold_checks_by_person ON gold_checks (project, reviewer);
CREATE INDEX gold_checks_by_reviewer ON gold_checks (reviewer, decided_at);
CREATE INDEX gold_checks_in_hand ON gold_checks (project, lease_until) WHERE label IS NULL;
COMMENT ON COLUMN gold_checks.task_id IS 'From the sequence of the tasks: a number is a task or a check.';
COMMENT ON COLUMN gold_checks.suggested IS 'Shown with the machine''s label, which is wrong.';
COMMENT ON COLUMN gold_checks.pool IS 'Where a task with this item would lie; with an exclamation mark, it distresses.';
COMMENT ON COLUMN gold_checks.place IS 'Which of the decisions `needed` it pretends to be.';
COMMENT ON COLUMN gold_checks.late IS 'An answer that came after the lease had ended.';

CREATE TABLE pauses (
    pause_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project   text COLLATE "C" NOT NULL REFERENCES projects ON DELETE CASCADE,
    reviewer  text COLLATE "C" NOT NULL,
    cause     text NOT NULL CHECK (cause IN ('accuracy', 'training')),
    paused_at timestamptz NOT NULL DEFAULT now(),
    since     timestamptz NOT NULL,
    answers   integer NOT NULL,
    correct   integer NOT NULL,
    reopened  integer,
    lifted_at timestamptz,
    lifted_by text,
    reason    text
);
CREATE UNIQUE INDEX pauses_in_force ON pauses (project, reviewer) WHERE lifted_at IS NULL;
CREATE INDEX pauses_by_person ON pauses (project, reviewer, pause_id);
COMMENT ON COLUMN pauses.since IS 'When they last stood above the bar: what they decided since is reviewed again.';
COMMENT ON COLUMN pauses.reopened IS 'How many of these decisions were opened again; null until that is done.';

CREATE TABLE lost_skills (
    project  text COLLATE "C" NOT NULL,
    reviewer text COLLATE "C" NOT NULL,
    skill    text COLLATE "C" NOT NULL,
    lost_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, reviewer, skill)
);
COMMENT ON TABLE lost_skills IS 'Skills that gold had granted and took away: what was answered before does not qualify again.';

CREATE VIEW decided_by_people AS
SELECT project, reviewer, seconds, decided_at FROM decisions
UNION ALL
SELECT project, reviewer, seconds, decided_at FROM gold_checks WHERE label IS NOT NULL;
COMMENT ON VIEW decided_by_people IS 'Work that counts for the person who did it: decisions, and checks that look like them.';
