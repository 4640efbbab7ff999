-- Review work. A task has exactly `needed` assignments, numbered by slot, and a decision belongs to one
-- slot: the keys below leave no room for a decision too many, or for two by one person.
--
-- One assignment of a task is open at first, and only once its item is here; the others wait, and each claim
-- opens the next. So the index of what can be claimed holds a task once, and nothing that cannot be shown.

CREATE SEQUENCE task_ids;
CREATE SEQUENCE fences;
COMMENT ON SEQUENCE fences IS 'One number per lease: whoever holds an older one has lost the task.';

CREATE TABLE tasks (
    task_id           bigint PRIMARY KEY,
    project           text COLLATE "C" NOT NULL,
    item_id           text COLLATE "C" NOT NULL,
    guideline_version integer NOT NULL,
    partition         integer NOT NULL,
    blind             boolean NOT NULL,
    needed            smallint NOT NULL CHECK (needed BETWEEN 1 AND 9),
    decided           smallint NOT NULL DEFAULT 0 CHECK (decided BETWEEN 0 AND needed),
    label             jsonb,
    created_at        bigint NOT NULL,
    decided_at        bigint,
    UNIQUE (project, item_id, guideline_version)
) WITH (fillfactor = 80);
COMMENT ON COLUMN tasks.partition IS 'The Kafka partition of the item''s events.';
COMMENT ON COLUMN tasks.label IS 'What the decisions settled on, once there are enough.';

CREATE TABLE assignments (
    task_id     bigint NOT NULL,
    slot        smallint NOT NULL,
    project     text COLLATE "C" NOT NULL,
    priority    double precision NOT NULL,
    state       text NOT NULL CHECK (state IN ('waiting', 'open', 'leased', 'decided')),
    reviewer    text COLLATE "C",
    fence       bigint,
    leased_at   timestamptz,
    lease_until timestamptz,
    begun       boolean NOT NULL GENERATED ALWAYS AS (slot > 0) STORED,
    PRIMARY KEY (task_id, slot),
    CHECK ((state IN ('waiting', 'open')) = (reviewer IS NULL))
) WITH (
    -- Leases come and go at the head of one index: room in the page keeps updates near, and frequent
    -- vacuuming keeps the dead entries that a claim has to step over few.
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000
);
CREATE UNIQUE INDEX assignments_one_per_person ON assignments (task_id, reviewer) WHERE reviewer IS NOT NULL;
COMMENT ON COLUMN assignments.begun IS 'Once it is open, somebody has the task in hand already, or decided it.';
CREATE INDEX assignments_open ON assignments (project, begun, priority, task_id, slot) WHERE state = 'open';
CREATE INDEX assignments_leased ON assignments (project, lease_until) WHERE state = 'leased';

CREATE TABLE decisions (
    task_id    bigint NOT NULL,
    slot       smallint NOT NULL,
    project    text COLLATE "C" NOT NULL,
    item_id    text COLLATE "C" NOT NULL,
    reviewer   text COLLATE "C" NOT NULL,
    fence      bigint NOT NULL,
    label      jsonb NOT NULL,
    guideline_version integer NOT NULL,
    seconds    double precision NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, slot),
    UNIQUE (task_id, reviewer),
    FOREIGN KEY (task_id, slot) REFERENCES assignments
);
COMMENT ON COLUMN decisions.guideline_version IS 'The guideline in force when it was made, which may be newer than the task.';
CREATE INDEX decisions_by_reviewer ON decisions (reviewer, decided_at);

CREATE TABLE late_decisions (
    task_id     bigint NOT NULL,
    reviewer    text COLLATE "C" NOT NULL,
    label       jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, reviewer)
);
COMMENT ON TABLE late_decisions IS
    'Answers that came after their lease was lost: not counted, kept for the person until the task is settled.';

CREATE TABLE skips (
    task_id    bigint NOT NULL,
    reviewer   text COLLATE "C" NOT NULL,
    reason     text NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (task_id, reviewer)
);
COMMENT ON TABLE skips IS 'Of a task that is settled, only the skips with a reason are kept: they tell where the guideline is unclear.';

CREATE TABLE outbox (
    outbox_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id       bigint NOT NULL UNIQUE,
    project       text COLLATE "C" NOT NULL,
    not_before    timestamptz NOT NULL,
    leaving       boolean NOT NULL DEFAULT false,
    correction    boolean NOT NULL,
    audit         boolean NOT NULL,
    human_seconds double precision NOT NULL,
    guideline_version integer NOT NULL,
    replaced      jsonb
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE outbox IS 'Settled tasks whose event has not left. The relay makes the event from the task''s rows.';
COMMENT ON COLUMN outbox.leaving IS 'Set before the event is published: from then on the decision cannot be undone.';
COMMENT ON COLUMN outbox.replaced IS 'The final label the item had before, which an undo brings back.';
