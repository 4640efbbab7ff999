-- Questions for the provider's batch API, and the items that wait for the answers.
-- Whoever locks rows of several of these tables does so in the order questions, parked, budgets.
CREATE TABLE batches (
    -- Marks the file and the batch at the provider: what was made, but not noted, is found again by it.
    id          uuid PRIMARY KEY,
    model       text NOT NULL,
    -- The day (UTC) whose money pays it.
    day         date NOT NULL,
    -- What the provider calls them; empty as long as they are not there.
    file_id     text NOT NULL DEFAULT '',
    remote_id   text NOT NULL DEFAULT '',
    -- Looks since the last step: the wait grows with them.
    waits       integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    next_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX batches_next_at ON batches (next_at);

CREATE TABLE questions (
    -- The key of the answer in vote_cache.
    key         bytea PRIMARY KEY,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed', 'refused')),
    -- Who pays: project, voter and item; and at which US dollars per million tokens.
    project     text COLLATE "C" NOT NULL,
    voter       text NOT NULL,
    payer       bytea NOT NULL,
    input_usd   double precision NOT NULL,
    output_usd  double precision NOT NULL,
    model       text NOT NULL,
    method      text NOT NULL,
    answers     text[] NOT NULL,
    body        bytea NOT NULL,
    -- How often it came back from a batch without an answer, and why the last time (JSON). Refused is what the
    -- budget does not pay.
    tries       integer NOT NULL DEFAULT 0,
    problem     bytea,
    -- Nano-dollars of the day's budget that its batch holds for it.
    reserved    bigint NOT NULL DEFAULT 0,
    batch       uuid REFERENCES batches (id),
    ready_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX questions_waiting ON questions (model, ready_at) WHERE state = 'waiting';
CREATE INDEX questions_batch ON questions (batch) WHERE batch IS NOT NULL;
CREATE INDEX questions_ended ON questions (key) WHERE state IN ('failed', 'refused');

-- Items whose offset may be committed: they go to the topic again once nothing they wait for is open.
CREATE TABLE parked (
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    key         bytea NOT NULL,
    value       bytea NOT NULL,
    -- MessagePack: pairs of name and value.
    headers     bytea NOT NULL,
    -- Questions of it that are waiting or sent.
    open        integer NOT NULL,
    parked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, "offset")
);
CREATE INDEX parked_open_none ON parked (parked_at) WHERE open <= 0;
CREATE INDEX parked_at ON parked (parked_at);

CREATE TABLE parked_questions (
    question    bytea NOT NULL REFERENCES questions (key) ON DELETE CASCADE,
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    PRIMARY KEY (question, partition, "offset"),
    FOREIGN KEY (partition, "offset") REFERENCES parked ON DELETE CASCADE
);
CREATE INDEX parked_questions_item ON parked_questions (partition, "offset");
