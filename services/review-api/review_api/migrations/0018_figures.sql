-- Figures of the items that are there: an item that a campaign looks at anew is no further item, and what was
-- erased counts no more. What was counted in its minute stays; what to take off is counted in the minute of the change.

ALTER TABLE minute_stats
    ADD COLUMN accepted_again   bigint NOT NULL DEFAULT 0,
    ADD COLUMN requested_again  bigint NOT NULL DEFAULT 0,
    ADD COLUMN withdrawn_again  bigint NOT NULL DEFAULT 0,
    ADD COLUMN items_erased     bigint NOT NULL DEFAULT 0,
    ADD COLUMN accepted_erased  bigint NOT NULL DEFAULT 0,
    ADD COLUMN requested_erased bigint NOT NULL DEFAULT 0,
    ADD COLUMN withdrawn_erased bigint NOT NULL DEFAULT 0,
    ADD COLUMN finals_erased    bigint NOT NULL DEFAULT 0,
    ADD COLUMN tasks_erased     bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN minute_stats.requested_again IS
    'Of those requested, items that had been routed before, by an older guideline; so with accepted_again and withdrawn_again.';
COMMENT ON COLUMN minute_stats.requested_erased IS
    'Erased items whose first route had asked people; so with accepted_erased and withdrawn_erased.';
COMMENT ON COLUMN minute_stats.tasks_erased IS 'Tasks that went with their items before people had settled them.';
