"""The audit log: who did what to whom. Entries are added, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg
import msgspec
from labelmill.runtime.postgres import Database

Act = Literal[
    "account.provisioned",
    "account.saved",
    "campaign.cancelled",
    "campaign.paused",
    "campaign.planned",
    "campaign.resumed",
    "campaign.started",
    "edge_case.accepted",
    "edge_case.closed",
    "erasure.done",
    "erasure.requested",
    "flag.resolved",
    "gold.retired",
    "gold.saved",
    "guideline.published",
    "identity.linked",
    "invitation.accepted",
    "invitation.made",
    "invitation.revoked",
    "membership.removed",
    "membership.set",
    "password.changed",
    "pause.lifted",
    "project.applied",
    "sessions.ended",
    "skill.granted",
    "skill.revoked",
    "task.moved_to_front",
    "task.released",
    "token.made",
    "token.revoked",
]
"""What can be done, `thing.verb`. The page People has words for each, in `static/acts.js`."""

_RECORD = """
INSERT INTO audit_log (by, act, subject, detail, project) VALUES ($1, $2, $3, $4, $5)
"""

_PAGE = """
SELECT entry_id, (extract(epoch FROM at) * 1000)::bigint AS at, by, act, subject, project, detail
FROM audit_log
WHERE entry_id < $1
  AND ($2::text IS NULL OR by = $2)
  AND ($3::text IS NULL OR subject = $3)
  AND ($4::text IS NULL OR act = $4)
  AND ($5::text IS NULL OR project = $5)
ORDER BY entry_id DESC LIMIT $6
"""


@dataclass(frozen=True)
class Entry:
    """One administrative act. `at` is in Unix milliseconds, `detail` a JSON object."""

    entry_id: int
    at: int
    by: str
    act: str
    subject: str
    project: str | None
    detail: msgspec.Raw


@dataclass(frozen=True)
class Only:
    """Which entries to show: those that have all of what is given."""

    by: str | None = None
    subject: str | None = None
    act: str | None = None
    project: str | None = None


async def record(
    on: asyncpg.Connection,
    by: str,
    act: Act,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    *,
    project: str | None = None,
) -> None:
    """Add an entry as part of the connection's transaction.

    `by` is the account that acts, `act` what it does, `subject` to whom or what, `detail` what else is worth
    knowing, of types that msgspec encodes. No secret belongs into any of them.
    """
    await on.execute(_RECORD, by, act, subject, msgspec.json.encode(dict(detail or {})).decode(), project)


class AuditLog:
    """The log in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, before: int, most: int, only: Only) -> list[Entry]:
        """Return up to `most` entries with a lower id than `before`, the newest first."""
        rows = await self._database.pool.fetch(
            _PAGE, before, only.by, only.subject, only.act, only.project, most
        )
        return [Entry(**{**row, "detail": msgspec.Raw(row["detail"].encode())}) for row in rows]
