-- What spares people: their consent to distressing items, the length of their days, and what they earn.

CREATE TABLE consents (
    reviewer   text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    project    text COLLATE "C" NOT NULL REFERENCES projects ON DELETE CASCADE,
    given      boolean,
    changed_at timestamptz,
    asked_at   timestamptz,
    PRIMARY KEY (reviewer, project)
);
COMMENT ON TABLE consents IS 'Who would see distressing items of a project. No row, or null: nobody has answered yet, which means no.';

CREATE TABLE reveals (
    reviewer text COLLATE "C" NOT NULL,
    task_id  bigint NOT NULL,
    project  text COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reviewer, task_id)
);
CREATE INDEX reveals_by_time ON reveals (reviewer, at);
COMMENT ON TABLE reveals IS 'Distressing items that a person asked to see; the same task again counts once.';

CREATE TABLE signs (
    reviewer text COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    kind     text NOT NULL CHECK (kind IN ('input', 'skip')),
    project  text COLLATE "C" NOT NULL
);
CREATE INDEX signs_by_reviewer ON signs (reviewer, at);
COMMENT ON TABLE signs IS
    'That a person was at work, besides decisions and checks: input on the page, and skips. Kept for some days.';

CREATE TABLE workdays (
    reviewer           text COLLATE "C" NOT NULL,
    day                date NOT NULL,
    project            text COLLATE "C" NOT NULL,
    decisions          integer NOT NULL,
    checks             integer NOT NULL,
    skips              integer NOT NULL,
    reveals            integer NOT NULL,
    active_seconds     double precision NOT NULL,
    pace_seconds       double precision,
    usd_per_hour       double precision NOT NULL,
    usd_per_decision   double precision,
    floor_usd_per_hour double precision NOT NULL,
    counted_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reviewer, day, project)
);
CREATE INDEX workdays_by_project ON workdays (project, day, reviewer);
CREATE INDEX workdays_by_day ON workdays (day);
COMMENT ON TABLE workdays IS 'A person''s day (UTC) in a project, counted again and again until the end of the day after.';
COMMENT ON COLUMN workdays.checks IS 'Answers to gold tasks, training included.';
COMMENT ON COLUMN workdays.pace_seconds IS 'Median time of the day''s decisions; null without one.';
COMMENT ON COLUMN workdays.usd_per_decision IS 'Pay by the piece; null: by the hour.';
