-- A quarter of the numbers that the sequence draws is no task's: hidden checks take these, so that their numbers lie among
-- those of the tasks around them. Which are spare follows from a secret seed, for ever.
CREATE TABLE numbering (
    seed bigint NOT NULL
);
CREATE UNIQUE INDEX numbering_once ON numbering ((true));
INSERT INTO numbering VALUES (uuid_hash_extended(gen_random_uuid(), 0));
COMMENT ON COLUMN numbering.seed IS 'Who knows it can tell checks from tasks.';
COMMENT ON COLUMN gold_checks.task_id IS 'A spare number of the sequence of the tasks: a number is a task or a check.';
