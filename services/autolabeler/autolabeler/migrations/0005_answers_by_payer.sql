-- What an item's answers are found by when it is erased: by who paid for them, the first bytes of an answer.
CREATE INDEX vote_cache_payer ON vote_cache (substring(answer FROM 1 FOR 8));
