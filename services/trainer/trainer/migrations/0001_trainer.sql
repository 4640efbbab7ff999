-- What people decided, as it came; never changed. seq grows in the order of commits within a project
-- (writers of a project take turns), so "up to seq N" is a fixed set.
CREATE TABLE decisions (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL,
    event_id text NOT NULL,
    item_id text NOT NULL,
    content text NOT NULL,
    content_hash text NOT NULL,
    metadata jsonb NOT NULL,
    label jsonb NOT NULL,
    machine_label jsonb NOT NULL,
    machine_confidence double precision NOT NULL,
    is_correction boolean NOT NULL,
    reasons text[] NOT NULL,
    propensity double precision NOT NULL,
    blind boolean NOT NULL,
    raters integer NOT NULL,
    guideline_version integer NOT NULL,
    release integer NOT NULL,
    decided_at bigint NOT NULL,
    received_at bigint NOT NULL,
    text_key text NOT NULL,
    group_key text NOT NULL,
    side text NOT NULL CHECK (side IN ('train', 'holdout', 'left_out')),
    UNIQUE (project, event_id)
);
CREATE INDEX decisions_by_project ON decisions (project, seq);
CREATE INDEX decisions_by_item ON decisions (project, item_id, decided_at DESC, seq DESC);

-- What later texts are compared with: each different text once, its side for good.
CREATE TABLE sketches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL,
    text_key text NOT NULL,
    signature bytea NOT NULL,
    group_key text NOT NULL,
    side text NOT NULL,
    UNIQUE (project, text_key)
);
CREATE TABLE sketch_bands (
    band bigint NOT NULL,
    sketch bigint NOT NULL REFERENCES sketches,
    PRIMARY KEY (band, sketch)
);

-- Immutable: the version is the digest of the membership. members holds the seq of each decision.
CREATE TABLE datasets (
    project text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,
    watermark bigint NOT NULL,
    decisions integer NOT NULL,
    train integer NOT NULL,
    holdout integer NOT NULL,
    members bigint[] NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (project, version)
);

-- float32, little-endian; no text is embedded twice.
CREATE TABLE embeddings (
    embedder text NOT NULL,
    content_hash text NOT NULL,
    vector bytea NOT NULL,
    PRIMARY KEY (embedder, content_hash)
);

CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL,
    trainer text NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    dataset text,
    watermark bigint,
    progress jsonb NOT NULL DEFAULT '{}',
    failures integer NOT NULL DEFAULT 0,
    not_before bigint NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    started_at bigint,
    finished_at bigint
);
CREATE UNIQUE INDEX jobs_waiting ON jobs (project) WHERE state = 'waiting';
CREATE UNIQUE INDEX jobs_running ON jobs (project) WHERE state = 'running';
CREATE INDEX jobs_by_project ON jobs (project, id);

-- Every candidate, promoted or not, with the reason.
CREATE TABLE candidates (
    job bigint PRIMARY KEY REFERENCES jobs,
    project text NOT NULL,
    trainer text NOT NULL,
    dataset text NOT NULL,
    promoted boolean NOT NULL,
    release integer,
    reason text NOT NULL,
    evaluation jsonb NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX candidates_by_project ON candidates (project, job);

-- payload is the record's value, byte for byte, so that publishing again changes nothing.
-- restores: the release whose content this one brings back (a rollback).
CREATE TABLE releases (
    project text NOT NULL,
    number integer NOT NULL,
    restores integer,
    payload bytea NOT NULL,
    created_at bigint NOT NULL,
    published_at bigint,
    PRIMARY KEY (project, number)
);
CREATE INDEX releases_unpublished ON releases (project, number) WHERE published_at IS NULL;

-- What a fine-tuned model answered in its evaluation; no question is paid for twice.
CREATE TABLE answers (
    model text NOT NULL,
    question text NOT NULL,
    label text NOT NULL,
    confidence double precision NOT NULL,
    PRIMARY KEY (model, question)
);
