"""Which release a rollback brings back. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from labelmill.releases import Release

from trainer.errors import NothingToRestore


@dataclass(frozen=True)
class Published:
    """A release by number; `restores` is the number of the one whose content it brought back, if any."""

    number: int
    restores: int | None


def to_restore(releases: Sequence[Published]) -> int:
    """Return the number whose content comes before that of the present release.

    A rollback gets a new number, so "before" counts by content: after 1, 2, 3 a rollback brings back 2 (as
    4), the next one 1 (as 5). Raises NothingToRestore.
    """
    if not releases:
        raise NothingToRestore("there is no release yet")
    present = max(releases, key=lambda release: release.number)
    content = present.restores or present.number
    earlier = [each.number for each in releases if each.restores is None and each.number < content]
    if not earlier:
        raise NothingToRestore(f"release {present.number} has no release before it")
    return max(earlier)


def restored(release: Release, present: int, now: int) -> Release:
    """Return `release` under the number after `present`; `now` is in Unix milliseconds."""
    return msgspec.structs.replace(release, number=present + 1, created_at=now)
