"""What may stand between a person and the next task. The rooms that know (care, gold) say so."""

from typing import Protocol

from review_api.accounts.roles import Principal
from review_api.projects.versions import Version


class Gate(Protocol):
    """Asked before each claim, so it answers from memory wherever it can."""

    async def check(self, by: Principal, version: Version) -> None:
        """Return if this person may be given tasks of the project now.

        Raises:
            ApiError: 403 `paused`, `break_due` or `day_full`, with a sentence for the person.
        """


class Sensitivity(Protocol):
    """Asked before each claim in projects that have distressing items."""

    async def allowed(self, by: Principal, version: Version) -> bool:
        """Return whether this person may be shown distressing items of the project now."""
