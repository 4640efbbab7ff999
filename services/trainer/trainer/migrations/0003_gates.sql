-- The state of each project's promise: what the audits up to some seq came to. It can be worked out again
-- from the audits, but for when releases and policies changed on the way.
CREATE TABLE gates (
    project text PRIMARY KEY,
    state jsonb NOT NULL,
    updated_at bigint NOT NULL
);
