"""All SQL about sign-ins at a provider: who is who, and which browsers are away just now."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.accounts.oidc import Departure, Identity
from review_api.errors import ApiError

_LEAVE = """
INSERT INTO sign_ins (state_hash, browser_hash, nonce, verifier, account, invitation_hash, name, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
"""

_RETURN = """
DELETE FROM sign_ins WHERE state_hash = $1 AND browser_hash = $2 AND expires_at > now()
RETURNING nonce, verifier, account, invitation_hash, name
"""

_LINK = """
INSERT INTO identities (issuer, subject, account) VALUES ($1, $2, $3)
ON CONFLICT (issuer, subject) DO NOTHING RETURNING true
"""

_PROVISION = (
    "INSERT INTO accounts (name, roles) VALUES ($1, '{}') ON CONFLICT (name) DO NOTHING RETURNING true"
)

_SET_ROLES = "UPDATE accounts SET roles = $2 WHERE name = $1 AND roles <> $2 RETURNING true"


@dataclass(frozen=True)
class Errand:
    """What a browser went to the provider for: to sign in, or else to link an account, or to accept an
    invitation under a name."""

    account: str | None = None
    invitation_hash: bytes | None = None
    name: str | None = None


@dataclass(frozen=True)
class Away:
    """A browser that came back, with what its answer must fit."""

    nonce: str
    verifier: str
    errand: Errand


class IdentityStore:
    """Identities in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def leave(
        self, hashes: tuple[bytes, bytes], departure: Departure, errand: Errand, seconds: float
    ) -> None:
        """Remember a browser that leaves; `hashes` are those of its state and of its cookie."""
        await self._database.pool.execute("DELETE FROM sign_ins WHERE expires_at <= now()")
        await self._database.pool.execute(
            _LEAVE,
            *hashes,
            departure.nonce,
            departure.verifier,
            errand.account,
            errand.invitation_hash,
            errand.name,
            seconds,
        )

    async def back(self, state_hash: bytes, browser_hash: bytes) -> Away | None:
        """Return what is known of the browser that comes back, and forget it: a state serves once."""
        row = await self._database.pool.fetchrow(_RETURN, state_hash, browser_hash)
        if row is None:
            return None
        errand = Errand(row["account"], row["invitation_hash"], row["name"])
        return Away(row["nonce"], row["verifier"], errand)

    async def account_of(self, identity: Identity) -> str | None:
        """Return the account that an identity is linked to."""
        account: str | None = await self._database.pool.fetchval(
            "SELECT account FROM identities WHERE issuer = $1 AND subject = $2",
            identity.issuer,
            identity.subject,
        )
        return account

    async def link(self, identity: Identity, account: str) -> None:
        """Link an identity to an account. Raises ApiError 409 if it is linked already."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await link(connection, identity, account)

    async def provision(self, identity: Identity, name: str) -> bool:
        """Make an account without roles for an identity; return False if the name is taken."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_PROVISION, name):
                return False
            await record(connection, name, "account.provisioned", name)
            await link(connection, identity, name)
        return True

    async def set_roles(self, account: str, roles: Sequence[str]) -> bool:
        """Give an account the roles that the provider names; return whether that changed anything."""
        roles = sorted(set(roles))
        async with self._database.pool.acquire() as connection, connection.transaction():
            changed = bool(await connection.fetchval(_SET_ROLES, account, roles))
            if changed:
                await record(connection, "(provider)", "account.saved", account, {"roles": roles})
        return changed


async def link(connection: asyncpg.Connection, identity: Identity, account: str) -> None:
    """Link an identity to an account in the connection's transaction. Raises ApiError 409 if it is linked."""
    if not await connection.fetchval(_LINK, identity.issuer, identity.subject, account):
        raise ApiError(409, "identity_taken", "this sign-in belongs to another account")
    await record(connection, account, "identity.linked", account, {"issuer": identity.issuer})
