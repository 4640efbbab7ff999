-- What people say about an item beside its label, and what each of them has done.

CREATE TABLE flags (
    flag_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project     text COLLATE "C" NOT NULL,
    item_id     text COLLATE "C" NOT NULL,
    task_id     bigint NOT NULL,
    reviewer    text COLLATE "C" NOT NULL,
    reason      text NOT NULL,
    text        text NOT NULL,
    flagged_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by text,
    answer      text NOT NULL DEFAULT '',
    UNIQUE (task_id, reviewer, reason)
);
CREATE INDEX flags_open ON flags (project, flag_id) WHERE resolved_at IS NULL;
CREATE INDEX flags_by_project ON flags (project, flag_id);
CREATE INDEX flags_by_item ON flags (project, item_id);
CREATE INDEX flags_by_reviewer ON flags (reviewer, flagged_at, flag_id);
COMMENT ON TABLE flags IS 'Something is wrong with an item. A person says it once for each reason, however often it is sent.';
COMMENT ON COLUMN flags.answer IS 'What the manager who resolved it tells the person.';

CREATE TABLE comments (
    comment_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project      text COLLATE "C" NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    task_id      bigint NOT NULL,
    reviewer     text COLLATE "C" NOT NULL,
    audience     text NOT NULL CHECK (audience IN ('managers', 'raters')),
    text         text NOT NULL,
    commented_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX comments_once ON comments (task_id, reviewer, audience, md5(text));
CREATE INDEX comments_by_project ON comments (project, comment_id);
CREATE INDEX comments_by_item ON comments (project, item_id, comment_id);
CREATE INDEX comments_by_reviewer ON comments (reviewer, commented_at, comment_id);
COMMENT ON COLUMN comments.audience IS 'Managers alone, or also who gets the item next; never shown on a blind task.';

ALTER TABLE skips ADD COLUMN skipped_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX skips_by_reviewer ON skips (reviewer, skipped_at, task_id);
CREATE INDEX late_decisions_by_reviewer ON late_decisions (reviewer, received_at, task_id);
