-- What a promise rests on: how the machine voted, how likely the item was to be drawn as a blind audit
-- (0: it was not drawn), and what each rater said, in the order of their decisions.
ALTER TABLE decisions
    ADD COLUMN votes jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN audit_rate double precision NOT NULL DEFAULT 0,
    ADD COLUMN rater_labels jsonb NOT NULL DEFAULT '[]';
CREATE INDEX decisions_audits ON decisions (project, seq) WHERE audit_rate > 0;

-- The newest record of each project on each compacted topic but `releases`, byte for byte as published or to
-- be published. revision grows with each.
CREATE TABLE publications (
    project text NOT NULL,
    topic text NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    payload bytea NOT NULL,
    created_at bigint NOT NULL,
    published_at bigint,
    PRIMARY KEY (project, topic)
);
CREATE INDEX publications_unpublished ON publications (project) WHERE published_at IS NULL;
