-- What happened to every item. Times are Unix milliseconds, as in the events. These tables take a row an
-- item at full speed: no foreign keys and no index but the one that makes a row unique. COLLATE "C"
-- compares bytes, which is what an id needs and many times cheaper than a language's rules.

CREATE TABLE items (
    project      text COLLATE "C" NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    content      text NOT NULL,
    metadata     jsonb NOT NULL,
    content_hash text COLLATE "C" NOT NULL,
    ingested_at  bigint NOT NULL,
    PRIMARY KEY (project, item_id)
);

CREATE TABLE routes (
    project           text COLLATE "C" NOT NULL,
    item_id           text COLLATE "C" NOT NULL,
    guideline_version integer NOT NULL,
    event_id          text COLLATE "C" NOT NULL,
    outcome           text NOT NULL CHECK (outcome IN ('accepted', 'requested')),
    reasons           text[] NOT NULL,
    propensity        double precision NOT NULL,
    label             jsonb NOT NULL,
    confidence        double precision NOT NULL,
    probabilities     jsonb NOT NULL,
    votes             jsonb NOT NULL,
    content_hash      text COLLATE "C" NOT NULL,
    release           integer NOT NULL,
    project_version   integer NOT NULL,
    cost_usd          double precision NOT NULL,
    scored_at         bigint NOT NULL,
    routed_at         bigint NOT NULL,
    PRIMARY KEY (project, item_id, guideline_version)
);
COMMENT ON TABLE routes IS 'An item is routed once under a guideline: the first route counts, whatever a replay says.';

CREATE TABLE early_routes (
    project      text COLLATE "C" NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    content_hash text COLLATE "C" NOT NULL,
    PRIMARY KEY (project, item_id)
);
COMMENT ON TABLE early_routes IS
    'Items that were routed before the ledger had read them, with the content they were routed by; nearly always empty.';

CREATE VIEW votes AS
SELECT r.project, r.item_id, r.guideline_version, v.*
FROM routes r,
     jsonb_to_recordset(r.votes) AS v(
         voter text, version text, source text, label jsonb, confidence double precision, probabilities jsonb,
         input_tokens integer, output_tokens integer, cost_usd double precision, cached boolean
     );

CREATE TABLE final_labels (
    project           text COLLATE "C" NOT NULL,
    item_id           text COLLATE "C" NOT NULL,
    label             jsonb NOT NULL,
    source            text NOT NULL CHECK (source IN ('machine', 'people')),
    confidence        double precision NOT NULL,
    guideline_version integer NOT NULL,
    release           integer NOT NULL,
    decided_at        bigint NOT NULL,
    routed_under      integer NOT NULL,
    PRIMARY KEY (project, item_id)
);
COMMENT ON COLUMN final_labels.guideline_version IS 'The guideline by which it was decided.';
COMMENT ON COLUMN final_labels.routed_under IS
    'The guideline of the route it comes from: an older one, if the guideline changed while its task waited.';
COMMENT ON COLUMN final_labels.confidence IS 'The machine''s confidence in its own label, whoever decided.';

CREATE TABLE minute_stats (
    project       text COLLATE "C" NOT NULL,
    minute        bigint NOT NULL,
    items         bigint NOT NULL DEFAULT 0,
    accepted      bigint NOT NULL DEFAULT 0,
    requested     bigint NOT NULL DEFAULT 0,
    decided       bigint NOT NULL DEFAULT 0,
    final_labels  bigint NOT NULL DEFAULT 0,
    corrections   bigint NOT NULL DEFAULT 0,
    audits        bigint NOT NULL DEFAULT 0,
    audit_errors  bigint NOT NULL DEFAULT 0,
    student_only  bigint NOT NULL DEFAULT 0,
    llm_calls     bigint NOT NULL DEFAULT 0,
    input_tokens  bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_usd      double precision NOT NULL DEFAULT 0,
    human_seconds double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (project, minute)
) WITH (fillfactor = 50);
COMMENT ON TABLE minute_stats IS 'What was counted in a minute, by when it was written; added to in the transaction that counts it.';
