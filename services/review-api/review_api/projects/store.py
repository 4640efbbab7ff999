"""All SQL about projects, their versions, and the releases that the trainer published."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import msgspec
from labelmill.events import ReleasePublished
from labelmill.projects import ProjectSpec
from labelmill.runtime.postgres import Database

from review_api.accounts.audit import record
from review_api.errors import unknown_project
from review_api.projects.versions import Version, next_version

_encode = msgspec.json.encode
_spec_decoder = msgspec.json.Decoder(ProjectSpec)

_MOST_SPECS = 256

Also = Callable[[asyncpg.Connection, Version], Awaitable[None]]
"""What else is done in the transaction that stores a new version."""


@dataclass(frozen=True)
class ProjectRow:
    """A line of the list of projects."""

    project: str
    title: str
    version: int
    guideline_version: int


class ProjectStore:
    """Projects in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, spec: ProjectSpec, by: str) -> tuple[Version, bool]:
        """Store `spec` if it is new; return the version in force and whether it is new."""
        return await self._change(spec.project, lambda _: spec, by)

    async def change(
        self, project: str, change: Callable[[Version], ProjectSpec], by: str, also: Also
    ) -> Version:
        """Store what `change` makes of the version in force, which nobody else changes meanwhile, and do
        `also` with it if it is new; return the one that is in force then. Raises ApiError 404, or what
        `change` or `also` raises: then nothing is changed."""

        def changed(present: Version | None) -> ProjectSpec:
            if present is None:
                raise unknown_project(project)
            return change(present)

        return (await self._change(project, changed, by, also))[0]

    async def _change(
        self,
        project: str,
        change: Callable[[Version | None], ProjectSpec],
        by: str,
        also: Also | None = None,
    ) -> tuple[Version, bool]:
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _lock(connection, f"storing {project}")
            present = await _present(connection, project)
            version = next_version(present, change(present))
            changed = version is not present
            if changed:
                await _write(connection, version, by)
                numbers = {"version": version.version, "guideline_version": version.guideline_version}
                await record(connection, by, "project.applied", project, numbers, project=project)
                if also is not None:
                    await also(connection, version)
        return version, changed

    @asynccontextmanager
    async def publishing(self, project: str) -> AsyncIterator[Version]:
        """Give the version in force to publish; left without an error, it counts as published.

        Meanwhile nobody else publishes this project, so that the newest version is the last in Kafka.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _lock(connection, f"publishing {project}")
            version = await _present(connection, project)
            if version is None:
                raise unknown_project(project)
            yield version
            await connection.execute(
                "UPDATE projects SET published_version = $2 WHERE project = $1", project, version.version
            )

    async def get(self, project: str) -> Version | None:
        """Return the version in force."""
        return await _present(self._database.pool, project)

    async def at(self, project: str, number: int) -> Version | None:
        """Return a version, in force or not."""
        row = await self._database.pool.fetchrow(
            """
            SELECT version, guideline_version, spec FROM project_versions
            WHERE project = $1 AND version = $2
            """,
            project,
            number,
        )
        return None if row is None else _version(row)

    async def goes_back_to(self, project: str, version: Version) -> int | None:
        """Return the earlier guideline version whose text and labels a version has again, if any."""
        found: int | None = await self._database.pool.fetchval(
            """
            SELECT max(guideline_version) FROM guideline_versions
            WHERE project = $1 AND guideline_version < $2 AND guideline = $3 AND labels = $4::jsonb
            """,
            project,
            version.guideline_version,
            version.spec.guideline,
            _encode(version.spec.labels).decode(),
        )
        return found

    async def exists(self, project: str) -> bool:
        return bool(
            await self._database.pool.fetchval("SELECT true FROM projects WHERE project = $1", project)
        )

    async def all(self) -> list[ProjectRow]:
        rows = await self._database.pool.fetch(
            """
            SELECT p.project, v.spec ->> 'title' AS title, p.version, p.guideline_version
            FROM projects p JOIN project_versions v USING (project, version) ORDER BY p.project
            """
        )
        return [ProjectRow(**row) for row in rows]

    async def unpublished(self) -> list[str]:
        """Return the projects of which Kafka is not known to hold the version in force."""
        rows = await self._database.pool.fetch(
            "SELECT project FROM projects WHERE published_version < version ORDER BY project"
        )
        return [row["project"] for row in rows]

    async def specs(self, versions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], ProjectSpec]:
        """Return the definitions of those (project, version) that exist."""
        rows = await self._database.pool.fetch(
            """
            SELECT v.project, v.version, v.spec
            FROM unnest($1::text[], $2::int[]) AS wanted(project, version)
            JOIN project_versions v USING (project, version)
            """,
            [project for project, _ in versions],
            [version for _, version in versions],
        )
        return {(row["project"], row["version"]): _spec_decoder.decode(row["spec"]) for row in rows}

    async def existing(self, projects: Sequence[str]) -> set[str]:
        """Return those of `projects` that exist."""
        rows = await self._database.pool.fetch(
            "SELECT project FROM projects WHERE project = ANY($1::text[])", projects
        )
        return {row["project"] for row in rows}

    async def put_release(self, event: ReleasePublished) -> None:
        """Keep a release's summary. A later event about the same release (a rollback to it) replaces it."""
        release = event.release
        summary = {
            "number": release.number,
            "dataset": release.dataset,
            "decisions": release.decisions,
            "evaluation": release.evaluation,
            "created_at": release.created_at,
            "student": release.student is not None,
            "finetuned": release.finetuned,
        }
        await self._database.pool.execute(
            """
            INSERT INTO releases (project, number, summary, published_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (project, number) DO UPDATE
            SET summary = EXCLUDED.summary, published_at = EXCLUDED.published_at
            """,
            event.project,
            release.number,
            _encode(summary).decode(),
            event.published_at,
        )

    async def newest_release(self, project: str) -> int:
        """Return the number of the newest release; 0 before the first."""
        number: int = await self._database.pool.fetchval(
            "SELECT coalesce(max(number), 0) FROM releases WHERE project = $1", project
        )
        return number

    async def releases(self, project: str) -> list[msgspec.Raw]:
        """Return the summaries of a project's releases as JSON, oldest first."""
        rows = await self._database.pool.fetch(
            "SELECT summary FROM releases WHERE project = $1 ORDER BY number", project
        )
        return [msgspec.Raw(row["summary"].encode()) for row in rows]


class Specs:
    """Definitions by project and version, remembered: a version never changes."""

    def __init__(self, store: ProjectStore) -> None:
        self._store = store
        self._known: dict[tuple[str, int], ProjectSpec] = {}

    async def load(self, versions: set[tuple[str, int]]) -> dict[tuple[str, int], ProjectSpec]:
        """Return the definitions of `versions`; those that do not exist are missing from the answer."""
        unknown = [version for version in versions if version not in self._known]
        if unknown:
            if len(self._known) + len(unknown) > _MOST_SPECS:
                self._known.clear()
                unknown = list(versions)
            self._known |= await self._store.specs(unknown)
        return {version: self._known[version] for version in versions if version in self._known}


async def _lock(connection: asyncpg.Connection, what: str) -> None:
    """Be alone with `what` to the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", what)


async def _present(connection: asyncpg.Connection | asyncpg.Pool, project: str) -> Version | None:
    row = await connection.fetchrow(
        """
        SELECT version, p.guideline_version, v.spec
        FROM projects p JOIN project_versions v USING (project, version) WHERE project = $1
        """,
        project,
    )
    return None if row is None else _version(row)


def _version(row: asyncpg.Record) -> Version:
    return Version(row["version"], row["guideline_version"], _spec_decoder.decode(row["spec"]))


async def _write(connection: asyncpg.Connection, version: Version, by: str) -> None:
    spec = version.spec
    await connection.execute(
        """
        INSERT INTO projects (project, version, guideline_version) VALUES ($1, $2, $3)
        ON CONFLICT (project) DO UPDATE
        SET version = EXCLUDED.version, guideline_version = EXCLUDED.guideline_version, updated_at = now()
        """,
        spec.project,
        version.version,
        version.guideline_version,
    )
    await connection.execute(
        """
        INSERT INTO project_versions (project, version, guideline_version, spec, created_by)
        VALUES ($1, $2, $3, $4, $5)
        """,
        spec.project,
        version.version,
        version.guideline_version,
        _encode(spec).decode(),
        by,
    )
    await connection.execute(
        """
        INSERT INTO guideline_versions (project, guideline_version, guideline, labels)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        """,
        spec.project,
        version.guideline_version,
        spec.guideline,
        _encode(spec.labels).decode(),
    )
