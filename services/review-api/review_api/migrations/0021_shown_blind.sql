-- Without its suggestion a task is answered otherwise: who was shown it so is remembered with the lease.

ALTER TABLE assignments ADD COLUMN shown_blind boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN assignments.shown_blind IS 'Of a task that is not blind: this person was shown it without its suggestion, as hidden checks are.';
