"""Roles and what they allow; pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["reviewer", "manager", "admin", "service"]

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
"""What an account's name looks like."""

ROLES: Final[tuple[Role, ...]] = ("reviewer", "manager", "admin", "service")


@dataclass(frozen=True)
class Principal:
    """Who makes a request."""

    name: str
    roles: frozenset[str]
    on_page: bool
    """Signed in with a password (a session), rather than with an API token."""


def allows(held: Collection[str], needed: Collection[str]) -> bool:
    """Return whether someone with the roles `held` may do what any of `needed` allows.

    Nothing needed means anyone with an account. An admin may do everything.
    """
    return not needed or "admin" in held or any(role in held for role in needed)
