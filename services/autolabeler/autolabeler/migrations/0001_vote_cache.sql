-- Every answer an LLM was ever paid for, so that no prompt is paid for twice.
CREATE TABLE vote_cache (
    -- BLAKE2b, 128 bits, of the request body: model, parameters and messages.
    key bytea PRIMARY KEY,
    -- Payer, tokens and the probability of each option, packed (see store.py): 16 bytes and 4 an option.
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Rows arrive in time order, so a block range index of a few pages is all that pruning needs.
CREATE INDEX vote_cache_created_at ON vote_cache USING brin (created_at) WITH (pages_per_range = 32);
