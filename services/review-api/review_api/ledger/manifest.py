"""What an export says about itself: its last line. Pure but for the hash."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

FORMAT: Final = "labelmill-export/1"

WITHHELD: Final = "withheld"
"""Counted as the decider of labels that are held back from who exports."""


@dataclass(frozen=True)
class Origin:
    """What was exported: the project as it stood, and how it was asked for."""

    project: str
    title: str
    project_version: int
    guideline_version: int
    release: int
    filters: Mapping[str, Any]
    labelmill: str
    created_at: int
    """Unix milliseconds."""


class Manifest:
    """Counts an export while it is written.

    Owners are pseudonyms unless named: a hash of the name under a secret that is forgotten with the export,
    so that they can be told apart within it and recognised nowhere.
    """

    def __init__(self, origin: Origin, *, names_owners: bool) -> None:
        self._origin = origin
        self._names_owners = names_owners
        self._secret = secrets.token_bytes(32)
        self._sha256 = hashlib.sha256()
        self._rows = 0
        self._owners: set[str] = set()
        self._counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("licence", "source", "consent", "decided_by")
        }

    def owner(self, name: str) -> str:
        """Return what stands for an owner in this export."""
        if self._names_owners:
            return name
        return hashlib.blake2b(name.encode(), key=self._secret, digest_size=8).hexdigest()

    def count(self, provenance: Mapping[str, str], decided_by: str) -> None:
        """Count a label; `provenance` is its item's, the owner as `owner` gives it."""
        self._rows += 1
        self._counts["decided_by"][decided_by] += 1
        for field in ("licence", "source", "consent"):
            self._counts[field][provenance.get(field, "")] += 1
        if "owner" in provenance:
            self._owners.add(provenance["owner"])

    def written(self, lines: bytes) -> None:
        """Take note of the bytes that were written."""
        self._sha256.update(lines)

    def document(self) -> dict[str, Any]:
        """Return the manifest as JSON can hold it; an empty name counts items that do not say."""
        origin = self._origin
        return {
            "format": FORMAT,
            "project": origin.project,
            "title": origin.title,
            "project_version": origin.project_version,
            "guideline_version": origin.guideline_version,
            "release": origin.release,
            "filters": dict(origin.filters),
            "rows": self._rows,
            "sha256": self._sha256.hexdigest(),
            "by_licence": _counted(self._counts["licence"]),
            "by_source": _counted(self._counts["source"]),
            "by_consent": _counted(self._counts["consent"]),
            "by_decider": _counted(self._counts["decided_by"]),
            "owners": len(self._owners),
            "created_at": _iso(origin.created_at),
            "labelmill": origin.labelmill,
        }


def _iso(at: int) -> str:
    """Return Unix milliseconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _counted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
