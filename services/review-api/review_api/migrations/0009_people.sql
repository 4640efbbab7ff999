-- Roles in single projects, invitations, sign-in at a provider, tokens that are narrow and expire, and the audit log.

CREATE TABLE memberships (
    account text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    project text COLLATE "C" NOT NULL REFERENCES projects ON DELETE CASCADE,
    roles   text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ '{reviewer,manager}'),
    PRIMARY KEY (account, project)
);
CREATE INDEX memberships_by_project ON memberships (project, account);

CREATE TABLE invitations (
    invitation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash    bytea NOT NULL UNIQUE,
    project       text COLLATE "C" REFERENCES projects ON DELETE CASCADE,
    roles         text[] NOT NULL CHECK (cardinality(roles) > 0),
    note          text NOT NULL,
    made_by       text NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    used_by       text,
    used_at       timestamptz
);
CREATE INDEX invitations_by_project ON invitations (project, invitation_id);
COMMENT ON COLUMN invitations.project IS 'Where the roles hold; null: everywhere.';

CREATE VIEW open_invitations AS
SELECT i.* FROM invitations i
WHERE used_at IS NULL AND expires_at > now()
  AND EXISTS (
      SELECT FROM accounts a LEFT JOIN memberships m ON m.account = a.name AND m.project = i.project
      WHERE a.name = i.made_by
        AND ('admin' = ANY (a.roles)
             OR i.project IS NOT NULL AND ('manager' = ANY (a.roles) OR 'manager' = ANY (m.roles)))
  );
COMMENT ON VIEW open_invitations IS 'Those that can be used: what somebody promised who may not give it any more is worth nothing.';

CREATE TABLE identities (
    issuer    text NOT NULL,
    subject   text NOT NULL,
    account   text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_account ON identities (account);
COMMENT ON TABLE identities IS 'Whom a provider of sign-ins calls by a subject; never found by an e-mail address.';

CREATE TABLE sign_ins (
    state_hash      bytea PRIMARY KEY,
    browser_hash    bytea NOT NULL,
    nonce           text NOT NULL,
    verifier        text NOT NULL,
    account         text COLLATE "C" REFERENCES accounts ON DELETE CASCADE,
    invitation_hash bytea,
    name            text,
    expires_at      timestamptz NOT NULL
);
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);
COMMENT ON TABLE sign_ins IS 'Browsers that are at the provider just now; a row serves once.';

ALTER TABLE tokens
    ADD COLUMN scopes     text[],
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used  date;
COMMENT ON COLUMN tokens.scopes IS 'What the token may do of what its account may; null: all of it.';

ALTER TABLE sessions ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE audit_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    by       text NOT NULL,
    act      text NOT NULL,
    subject  text NOT NULL,
    project  text,
    detail   jsonb NOT NULL
);
COMMENT ON TABLE audit_log IS 'Who did what to whom. Rows are added, never changed.';

-- The service's role owns the table and could give itself the right again, but no statement of the service's,
-- nor one that is smuggled into it, gets past both of these by accident.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
