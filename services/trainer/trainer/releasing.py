"""SQL of recording a release, and the locks under which a project's records change."""

import asyncpg
import msgspec
from labelmill.events import ReleasePublished, encode
from labelmill.releases import Release

from trainer.errors import Superseded

# Advisory locks, by what they guard; the second key is the project's hash.
RECORDING, RELEASING = 0x7401, 0x7403

_decoder = msgspec.json.Decoder(ReleasePublished)


async def wait_for(connection: asyncpg.Connection, lock: int, project: str) -> None:
    """Wait for a project's lock, to the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", lock, project)


async def _source(
    connection: asyncpg.Connection, project: str, release: Release, restores: int | None
) -> int | None:
    """Return the release whose flag holds for this one too: that in which what it keeps was learned."""
    if restores is not None:
        return restores
    row = await connection.fetchrow(
        "SELECT number, payload FROM releases WHERE project = $1 ORDER BY number DESC LIMIT 1", project
    )
    if row is None:
        return None
    before = _decoder.decode(row["payload"]).release
    keeps_student = release.student is not None and release.student == before.student
    keeps_model = release.finetuned is not None and release.finetuned == before.finetuned
    return int(row["number"]) if keeps_student or keeps_model else None


async def add_release(
    connection: asyncpg.Connection, project: str, release: Release, restores: int | None, now: int
) -> None:
    """Record a release as the next one. Raises Superseded if it is not."""
    payload = encode(ReleasePublished(project=project, release=release, published_at=now))
    added = await connection.fetchval(
        "INSERT INTO releases (project, number, restores, payload, created_at, retrain)"
        " SELECT $1, $2, $3, $4, $5, coalesce((SELECT retrain FROM releases"
        " WHERE project = $1 AND number = $6), false) WHERE NOT EXISTS"
        " (SELECT 1 FROM releases WHERE project = $1 AND number >= $2) RETURNING number",
        *(project, release.number, restores, payload, now),
        await _source(connection, project, release, restores),
    )
    if added is None:
        raise Superseded(f"release {release.number} is not the next one any more")
