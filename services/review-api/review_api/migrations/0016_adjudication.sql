-- The pool does not say who adjudicates: tasks may lie in the experts' pool from the start, and what waits moves
-- from pool to pool.

ALTER TABLE assignments ADD COLUMN adjudicates boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN assignments.adjudicates IS 'Whoever has it sees what the others answered, and settles the task alone.';
