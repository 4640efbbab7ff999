-- What is labelled and how. A version is never changed: a new definition is a new version.

CREATE TABLE projects (
    project           text COLLATE "C" PRIMARY KEY,
    version           integer NOT NULL,
    guideline_version integer NOT NULL,
    published_version integer NOT NULL DEFAULT 0,
    updated_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN projects.published_version IS 'The version that Kafka is known to hold; behind `version` after a crash.';

CREATE TABLE project_versions (
    project           text COLLATE "C" NOT NULL REFERENCES projects,
    version           integer NOT NULL,
    guideline_version integer NOT NULL,
    spec              jsonb NOT NULL,
    created_by        text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, version)
);

CREATE TABLE guideline_versions (
    project           text COLLATE "C" NOT NULL REFERENCES projects,
    guideline_version integer NOT NULL,
    guideline         text NOT NULL,
    labels            jsonb NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, guideline_version)
);

CREATE TABLE releases (
    project      text COLLATE "C" NOT NULL,
    number       integer NOT NULL,
    summary      jsonb NOT NULL,
    published_at bigint NOT NULL,
    PRIMARY KEY (project, number)
);
COMMENT ON TABLE releases IS 'What the trainer published, without the weights.';
