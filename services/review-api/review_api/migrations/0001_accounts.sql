-- Who may sign in. Secrets are kept as hashes: argon2 for passwords, SHA-256 for random tokens.

CREATE TABLE accounts (
    name          text COLLATE "C" PRIMARY KEY,
    roles         text[] NOT NULL,
    password_hash text,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tokens (
    token_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    account    text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    label      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tokens_by_account ON tokens (account);

CREATE TABLE sessions (
    session_hash bytea PRIMARY KEY,
    account      text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
