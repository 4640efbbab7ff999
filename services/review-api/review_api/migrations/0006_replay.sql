-- What a policy looks at in a score besides what the ledger kept: so that another policy can be tried on it.
ALTER TABLE routes
    ADD COLUMN calibrated boolean NOT NULL DEFAULT false,
    ADD COLUMN over_budget boolean NOT NULL DEFAULT false,
    ADD COLUMN suspicious boolean NOT NULL DEFAULT false;
