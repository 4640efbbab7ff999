-- The newest decisions of a project, and all of them in their order: for how far people agree.
CREATE INDEX decisions_by_project ON decisions (project, decided_at, task_id, slot);
