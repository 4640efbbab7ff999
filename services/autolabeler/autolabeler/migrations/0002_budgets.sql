-- What each project may still spend in a day (UTC), shared by all processes. Amounts are nano-dollars.
CREATE TABLE budgets (
    project  text COLLATE "C" NOT NULL,
    day      date NOT NULL,
    -- Settled cost of calls.
    spent    bigint NOT NULL DEFAULT 0,
    -- In the hands of a process: for calls on their way, for the next ones, or lost in a crash.
    reserved bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (project, day)
);
COMMENT ON TABLE budgets IS
    'spent + reserved never passes the cap; a reservation that nobody gives back counts as spent.';
