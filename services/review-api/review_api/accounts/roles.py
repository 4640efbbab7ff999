"""Roles, everywhere and in single projects, the scopes of tokens, and what they allow; pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Role = Literal["reviewer", "manager", "admin", "service"]
ProjectRole = Literal["reviewer", "manager"]
Scope = Literal["read", "ingest", "review", "manage", "admin"]

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
"""What an account's name looks like."""

ROLES: Final[tuple[Role, ...]] = ("reviewer", "manager", "admin", "service")
SCOPES: Final[tuple[Scope, ...]] = ("read", "ingest", "review", "manage", "admin")

_SCOPE_OF: Final[Mapping[str, Scope]] = {
    "reviewer": "review",
    "manager": "manage",
    "admin": "admin",
    "service": "ingest",
}
_WITHIN: Final[Mapping[str, frozenset[Scope]]] = {
    "reviewer": frozenset({"read", "review"}),
    "manager": frozenset({"read", "ingest", "manage"}),
    "admin": frozenset(SCOPES),
    "service": frozenset({"read", "ingest"}),
}


@dataclass(frozen=True)
class Principal:
    """Who makes a request."""

    name: str
    roles: frozenset[str]
    """The roles that hold everywhere."""
    on_page: bool
    """Signed in (a session), rather than with an API token."""
    memberships: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Further roles in single projects, by project."""
    scopes: frozenset[str] | None = None
    """What the token may do of what its account may; None for all of it, as for a session."""

    def roles_in(self, project: str) -> frozenset[str]:
        """Return the roles that count in a project; none: it is not to be seen."""
        return self.roles | self.memberships.get(project, frozenset())

    def may(self, needed: Collection[str], project: str) -> bool:
        """Return whether any role in a project is one of those needed."""
        return allows(self.roles_in(project), needed)

    def may_somewhere(self, needed: Collection[str]) -> bool:
        """Return whether there is a project in which a role is one of those needed."""
        return any(allows(self.roles | roles, needed) for roles in [frozenset(), *self.memberships.values()])


def allows(held: Collection[str], needed: Collection[str]) -> bool:
    """Return whether someone with the roles `held` may do what any of `needed` allows.

    Nothing needed means anyone with an account. An admin may do everything.
    """
    return not needed or "admin" in held or any(role in held for role in needed)


def scopes_for(needed: Collection[str], *, reads: bool) -> frozenset[Scope]:
    """Return the scopes any of which lets a token use a route that needs one of the roles `needed`, and that
    `reads` or else changes something.

    None at all: the route changes the account itself, and no narrowed token may. What only admins may read
    needs the scope `admin` too: `read` is for what is labelled, not for who labels.
    """
    if set(needed) == {"admin"}:
        return frozenset({"admin"})
    if reads:
        return frozenset({"read"})
    return frozenset(_SCOPE_OF[role] for role in needed)


def scopes_within(roles: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes that can be of use to someone with these roles."""
    return frozenset().union(*(_WITHIN[role] for role in roles))
