-- A promise: audits with the rate they were drawn at, tasks that evidence has made needless, and what the
-- trainer says about acceptance and quality.

ALTER TABLE tasks ADD COLUMN audit_rate double precision NOT NULL DEFAULT 0;
COMMENT ON COLUMN tasks.audit_rate IS 'Probability with which the item was drawn as evidence for the promise; 0 if it was not.';

ALTER TABLE minute_stats ADD COLUMN withdrawn bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN minute_stats.withdrawn IS 'Requested tasks that nobody had begun and that the promise came to cover: the machine''s label became final.';

CREATE TABLE published (
    project      text COLLATE "C" NOT NULL,
    topic        text COLLATE "C" NOT NULL,
    payload      jsonb NOT NULL,
    published_at bigint NOT NULL,
    PRIMARY KEY (project, topic)
);
COMMENT ON TABLE published IS 'The newest event of a compacted topic by project, as the dashboard shows it.';
