-- Fingerprints of the definition that a promise's evidence is about; empty where they were not kept yet.
ALTER TABLE gates
    ADD COLUMN machine text NOT NULL DEFAULT '',
    ADD COLUMN rules text NOT NULL DEFAULT '';
