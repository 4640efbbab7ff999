"""What becomes of somebody whom the provider vouches for."""

import re
from collections.abc import Mapping
from typing import Any

from review_api.accounts.access import Access
from review_api.accounts.identities import Errand, IdentityStore, link
from review_api.accounts.invitations import InvitationStore
from review_api.accounts.oidc import Identity
from review_api.accounts.roles import NAME_PATTERN
from review_api.errors import ApiError
from review_api.settings import ReviewSettings

_BY_CLAIM = ("reviewer", "manager", "admin")
_NAME_CLAIMS = ("preferred_username", "nickname", "email")


class Arrivals:
    """Finds the account of an identity, or makes one where that is allowed.

    An identity belongs to an account by issuer and subject only. It gets there by an invitation, by somebody
    who is signed in already, or where `OIDC_PROVISION` is on. A name or an e-mail address that the provider
    tells never opens an account that exists: whoever can choose theirs at the provider could take it over.
    """

    def __init__(
        self,
        identities: IdentityStore,
        invitations: InvitationStore,
        access: Access,
        settings: ReviewSettings,
    ) -> None:
        self._identities = identities
        self._invitations = invitations
        self._access = access
        self._provision = settings.oidc_provision
        self._roles_claim = settings.oidc_roles_claim

    async def account(self, identity: Identity, errand: Errand) -> str:
        """Return the account to sign in. Raises ApiError 403, 404 or 409."""
        account = await self._known(identity, errand) or await self._new(identity, errand)
        if self._roles_claim:
            await self._identities.set_roles(account, roles_of(identity.claims, self._roles_claim))
        self._access.forget()
        return account

    async def _known(self, identity: Identity, errand: Errand) -> str | None:
        known = await self._identities.account_of(identity)
        if errand.account is not None and known != errand.account:
            await self._identities.link(identity, errand.account)
            return errand.account
        if known is not None and errand.invitation_hash is not None:
            await self._invitations.accept(errand.invitation_hash, known)
        return known

    async def _new(self, identity: Identity, errand: Errand) -> str:
        if errand.invitation_hash is not None and errand.name is not None:
            accepting = self._invitations.accepting(errand.invitation_hash, errand.name, None)
            async with accepting as connection:
                await link(connection, identity, errand.name)
            return errand.name
        if not self._provision:
            raise ApiError(403, "not_invited", "nobody has invited this account of the provider")
        for name in names_for(identity):
            if await self._identities.provision(identity, name):
                return name
        raise ApiError(409, "name_taken", "no free name can be made of what the provider tells")


def roles_of(claims: Mapping[str, Any], claim: str) -> list[str]:
    """Return the roles that a claim names, as a text or a list of texts; what is no role of people is left
    out."""
    named = claims.get(claim)
    values = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return sorted({value for value in values if value in _BY_CLAIM})


def names_for(identity: Identity) -> list[str]:
    """Return names for a new account, the best first: what the provider says, then that with a number."""
    told = [identity.claims.get(claim) for claim in _NAME_CLAIMS]
    fitting = [name for name in told if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name)]
    base = fitting[0] if fitting else "person"
    return [base, *(f"{base[:60]}{number}" for number in range(2, 100))]
