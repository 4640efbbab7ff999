"""SQL of decisions, datasets, trainings and releases. Times are Unix milliseconds."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
from labelmill import ids
from labelmill.events import ReleasePublished, ReviewDecided, Vote
from labelmill.quality import LABEL_ERROR
from labelmill.releases import Release
from labelmill.runtime.postgres import Database

from trainer.datasets import Dataset, Member, Membership, Text, dataset_of
from trainer.errors import Superseded
from trainer.jobs import Job, Proposal, State
from trainer.releasing import RECORDING, RELEASING, add_release, wait_for
from trainer.splitting import MOST_A_BAND, Placed, Side, Sketch, place_all
from trainer.triggers import MOST_KNOWN, Facts

# Advisory lock; the second key is the project's hash.
_TRAINING = 0x7402

_release_decoder = msgspec.json.Decoder(ReleasePublished)
_votes_decoder = msgspec.json.Decoder(list[Vote])


@dataclass(frozen=True)
class Incoming:
    """A decision to record, with its sketch and its fixed draw in [0, 1)."""

    event: ReviewDecided
    sketch: Sketch
    draw: float


@dataclass(frozen=True)
class StoredRelease:
    """A release as it was (or will be) published."""

    release: Release
    restores: int | None
    published_at: int | None
    retrain: bool
    """It has learned from an item that was erased."""


class Store:
    """The trainer's tables, in its own schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, project: str, incoming: Sequence[Incoming], holdout_share: float, now: int) -> int:
        """Store the decisions that are not stored yet, each with its side, and return how many those were."""
        async with self._transaction() as connection:
            await wait_for(connection, RECORDING, project)
            known = await connection.fetch(
                "SELECT event_id FROM decisions WHERE project = $1 AND event_id = ANY($2)",
                project,
                [each.event.event_id for each in incoming],
            )
            seen = {row["event_id"] for row in known}
            erased = await _erased(connection, project, incoming)
            incoming = [e for e in incoming if e.event.event_id not in seen and e.event.item_id not in erased]
            fresh = list({each.event.event_id: each for each in incoming}.values())
            placed = await neighbours(connection, project, [each.sketch for each in fresh])
            drawn = [(each.sketch, each.draw) for each in fresh]
            places = await asyncio.to_thread(place_all, drawn, placed, holdout_share)
            known_texts = {each.sketch.key for each in placed}
            await _add_sketches(connection, project, [p for p in places if p.sketch.key not in known_texts])
            rows = [_decision_row(each.event, place, now) for each, place in zip(fresh, places, strict=True)]
            await connection.executemany(_INSERT_DECISION, rows)
        return len(fresh)

    async def facts(self, project: str) -> Facts:
        """Return what has come in since the last dataset.

        Re-reviews do not count: what they changed comes along with the next training, and starts none.
        """
        row = await self._pool.fetchrow(
            _FACTS,
            project,
            LABEL_ERROR,
            MOST_KNOWN,
        )
        return Facts(row["has_candidate"], row["decisions"], row["corrections"], row["oldest"], row["known"])

    async def request(self, project: str, trainer: str, trigger: str, now: int) -> int:
        """Return the id of the project's waiting job; makes one if there is none."""
        async with self._transaction() as connection:
            await connection.execute(
                "INSERT INTO jobs (project, trainer, trigger, state, created_at)"
                " VALUES ($1, $2, $3, 'waiting', $4)"
                " ON CONFLICT (project) WHERE state = 'waiting' DO NOTHING",
                *(project, trainer, trigger, now),
            )
            waiting = "SELECT id FROM jobs WHERE project = $1 AND state = 'waiting'"
            return int(await connection.fetchval(waiting, project))

    async def start_if_idle(self, project: str, trainer: str, trigger: str, now: int) -> None:
        """Add a job unless the project has an unfinished one."""
        await self._pool.execute(
            "INSERT INTO jobs (project, trainer, trigger, state, created_at) SELECT $1, $2, $3, 'waiting', $4"
            " WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE project = $1 AND state IN ('waiting', 'running'))"
            " ON CONFLICT (project) WHERE state = 'waiting' DO NOTHING",
            *(project, trainer, trigger, now),
        )

    async def unfinished(self) -> list[tuple[int, str, int]]:
        """Return (id, project, not_before) of each project's first unfinished job."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT ON (project) id, project, not_before FROM jobs"
            " WHERE state IN ('waiting', 'running') ORDER BY project, state, id"
        )
        return [(row["id"], row["project"], row["not_before"]) for row in rows]

    @asynccontextmanager
    async def training_lock(self, project: str) -> AsyncIterator[bool]:
        """Hold the project's training lock, across all processes; yields whether it was free.

        It lives in a database session: a process that dies lets go of it.
        """
        async with self._pool.acquire() as connection:
            key = (_TRAINING, project)
            locked = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", *key))
            try:
                yield locked
            finally:
                if locked and not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", *key)

    async def job(self, job_id: int) -> Job:
        """Return a job."""
        return _job(await self._pool.fetchrow("SELECT * FROM jobs WHERE id = $1", job_id))

    async def last_jobs(self, project: str, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest jobs of a project, as told over HTTP."""
        rows = await self._pool.fetch(
            "SELECT id, trainer, trigger, state, dataset, failures, outcome, created_at, started_at,"
            " finished_at FROM jobs WHERE project = $1 ORDER BY id DESC LIMIT $2",
            project,
            limit,
        )
        return [dict(row) for row in rows]

    async def freeze(self, job: Job, labels: Sequence[str], limit: int, now: int) -> Dataset:
        """Give a waiting job its dataset, the newest decision of each item, and set it running."""
        async with self._transaction() as connection:
            mark = "SELECT coalesce(max(seq), 0) FROM decisions WHERE project = $1"
            watermark = await connection.fetchval(mark, job.project)
            rows = await connection.fetch(
                _MEMBERSHIP, job.project, watermark, list(labels), limit, LABEL_ERROR
            )
            members = [Membership(r["seq"], r["event_id"], r["label"], Side(r["side"])) for r in rows]
            dataset = dataset_of(job.project, watermark, members)
            await connection.execute(
                "INSERT INTO datasets (project, version, digest, watermark, decisions, train, holdout,"
                " members, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                *(dataset.project, dataset.version, dataset.digest, dataset.watermark, dataset.decisions),
                *(dataset.train, dataset.holdout, dataset.members, now),
            )
            await connection.execute(
                "UPDATE jobs SET state = 'running', dataset = $2, watermark = $3, started_at = $4"
                " WHERE id = $1",
                *(job.id, dataset.version, dataset.watermark, now),
            )
        return dataset

    async def dataset(self, project: str, version: str) -> Dataset:
        """Return a dataset that a job froze."""
        row = await self._pool.fetchrow(
            "SELECT project, version, digest, watermark, decisions, train, holdout, members FROM datasets"
            " WHERE project = $1 AND version = $2",
            project,
            version,
        )
        return Dataset(**row)

    async def members(self, dataset: Dataset) -> list[Member]:
        """Return the decisions of a dataset, in the order of their arrival."""
        rows = await self._pool.fetch(
            "SELECT seq, content_hash, group_key, side, label #>> '{}' AS label,"
            " machine_label #>> '{}' AS machine_label, machine_confidence, propensity"
            " FROM decisions WHERE seq = ANY($1) ORDER BY seq",
            dataset.members,
        )
        return [
            Member(
                seq=row["seq"],
                content_hash=row["content_hash"],
                group=row["group_key"],
                side=Side(row["side"]),
                label=row["label"],
                machine_label=row["machine_label"],
                machine_confidence=row["machine_confidence"],
                propensity=row["propensity"],
            )
            for row in rows
        ]

    async def votes(self, members: Sequence[Member]) -> list[list[Vote]]:
        """Return the machine's votes on each of `members`."""
        rows = await self._pool.fetch(
            "SELECT seq, votes FROM decisions WHERE seq = ANY($1)", [member.seq for member in members]
        )
        by_seq = {row["seq"]: _votes_decoder.decode(row["votes"]) for row in rows}
        return [by_seq[member.seq] for member in members]

    async def contents(self, members: Sequence[Text]) -> list[str]:
        """Return the content of each of `members`."""
        rows = await self._pool.fetch(
            "SELECT seq, content FROM decisions WHERE seq = ANY($1)", [member.seq for member in members]
        )
        by_seq = {row["seq"]: row["content"] for row in rows}
        return [by_seq[member.seq] for member in members]

    async def embeddings(self, embedder: str, hashes: Sequence[str]) -> dict[str, bytes]:
        """Return the vectors that are there, by content hash."""
        rows = await self._pool.fetch(
            "SELECT content_hash, vector FROM embeddings WHERE embedder = $1 AND content_hash = ANY($2)",
            embedder,
            list(hashes),
        )
        return {row["content_hash"]: row["vector"] for row in rows}

    async def add_embeddings(self, embedder: str, vectors: Mapping[str, bytes]) -> None:
        """Keep vectors by content hash."""
        await self._pool.execute(
            "INSERT INTO embeddings (embedder, content_hash, vector)"
            " SELECT $1, * FROM unnest($2::text[], $3::bytea[]) ON CONFLICT DO NOTHING",
            embedder,
            list(vectors),
            list(vectors.values()),
        )

    async def answers(self, model: str, questions: Sequence[str]) -> dict[str, tuple[str, float]]:
        """Return (label, confidence) by question, of those that `model` has answered."""
        rows = await self._pool.fetch(
            "SELECT question, label, confidence FROM answers WHERE model = $1 AND question = ANY($2)",
            model,
            list(questions),
        )
        return {row["question"]: (row["label"], row["confidence"]) for row in rows}

    async def add_answer(self, model: str, question: str, label: str, confidence: float) -> None:
        """Keep what `model` answered."""
        await self._pool.execute(
            "INSERT INTO answers (model, question, label, confidence) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING",
            *(model, question, label, confidence),
        )

    async def pause(self, job: Job, progress: bytes, not_before: int) -> None:
        """Remember how far a job has come and when it goes on."""
        await self._pool.execute(
            "UPDATE jobs SET progress = $2, not_before = $3 WHERE id = $1",
            *(job.id, progress.decode(), not_before),
        )

    async def fail_once(self, job: Job, failures: int, not_before: int, reason: str) -> None:
        """Note an error after which the job is tried again."""
        await self._pool.execute(
            "UPDATE jobs SET failures = $2, not_before = $3, outcome = $4 WHERE id = $1",
            *(job.id, failures, not_before, reason),
        )

    async def end(self, job: Job, state: State, outcome: str, now: int) -> None:
        """Finish a job that has no candidate."""
        await _finish(self._pool, job, state, outcome, now)

    async def settle(
        self, job: Job, dataset: str, proposal: Proposal, release: Release | None, now: int
    ) -> None:
        """Record a candidate, its release if it is promoted, and the end of its job: all or nothing.

        Raises Superseded if the job is finished already or `release` is not the next one any more.
        """
        async with self._transaction() as connection:
            await wait_for(connection, RELEASING, job.project)
            await _finish(connection, job, State.DONE, proposal.verdict.reason, now)
            await connection.execute(
                "INSERT INTO candidates (job, project, trainer, dataset, promoted, release, reason,"
                " evaluation, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *(job.id, job.project, job.trainer, dataset, release is not None),
                *(release.number if release else None, proposal.verdict.reason),
                *(_json(proposal.evaluation), now),
            )
            if release is not None:
                await add_release(connection, job.project, release, None, now)

    async def restore(self, project: str, number: int, release: Release, now: int) -> None:
        """Record `release`, which brings back release `number`. Raises Superseded if it is not the next."""
        async with self._transaction() as connection:
            await wait_for(connection, RELEASING, project)
            await add_release(connection, project, release, number, now)

    async def present(self, project: str) -> Release | None:
        """Return the release with the highest number, published or about to be."""
        row = await self._pool.fetchrow(
            "SELECT payload FROM releases WHERE project = $1 ORDER BY number DESC LIMIT 1", project
        )
        return _release_decoder.decode(row["payload"]).release if row else None

    async def releases(self, project: str) -> list[StoredRelease]:
        """Return all releases of a project, newest first."""
        rows = await self._pool.fetch(
            "SELECT restores, payload, published_at, retrain FROM releases WHERE project = $1"
            " ORDER BY number DESC",
            project,
        )
        return [
            StoredRelease(_release_decoder.decode(payload).release, restores, published_at, retrain)
            for restores, payload, published_at, retrain in rows
        ]

    async def candidates(self, project: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest candidates of a project, as told over HTTP."""
        rows = await self._pool.fetch(
            "SELECT job, trainer, dataset, promoted, release, reason, evaluation, created_at FROM candidates"
            " WHERE project = $1 ORDER BY job DESC LIMIT $2",
            project,
            limit,
        )
        return [{**dict(row), "evaluation": msgspec.json.decode(row["evaluation"])} for row in rows]

    @property
    def _pool(self) -> asyncpg.Pool:
        return self._database.pool

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection


_INSERT_DECISION = """
INSERT INTO decisions (project, event_id, item_id, content, content_hash, metadata, label, machine_label,
    machine_confidence, is_correction, reasons, propensity, blind, raters, guideline_version, release,
    decided_at, received_at, text_key, group_key, side, votes, audit_rate, rater_labels)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
    $22, $23, $24)
"""

# On every look at the triggers: only what is new is read, and of what is known no more than counts.
_FACTS = """
WITH last AS (SELECT coalesce(max(watermark), 0) AS watermark FROM jobs WHERE project = $1)
SELECT count(*) AS decisions, count(*) FILTER (WHERE is_correction) AS corrections,
    coalesce(min(received_at), 0) AS oldest,
    EXISTS (SELECT FROM candidates WHERE project = $1) AS has_candidate,
    (SELECT count(*) FROM (
        SELECT FROM decisions
        WHERE project = $1 AND seq <= (SELECT watermark FROM last) AND NOT $2 = ANY (reasons) LIMIT $3
    ) AS before) AS known
FROM decisions
WHERE project = $1 AND seq > (SELECT watermark FROM last) AND NOT $2 = ANY (reasons)
"""

# The newest decision of each item, if its label is still one of the project's; the newest items first. What
# is held out judges candidates, so there a decision that the machine's doubt brought about does not count.
_MEMBERSHIP = """
SELECT seq, event_id, label #>> '{}' AS label, side FROM (
    SELECT DISTINCT ON (item_id) seq, event_id, label, side FROM decisions
    WHERE project = $1 AND seq <= $2 AND NOT (side = 'holdout' AND $5 = ANY (reasons))
    ORDER BY item_id, decided_at DESC, seq DESC
) AS newest
WHERE side <> 'left_out' AND label #>> '{}' = ANY($3::text[])
ORDER BY seq DESC LIMIT $4
"""


# The first texts of each band, and those of the given keys.
_NEIGHBOURS = """
SELECT text_key, signature, group_key, side,
    coalesce(array_agg(band) FILTER (WHERE band IS NOT NULL), '{}') AS bands
FROM (
    SELECT sketch AS id, band FROM unnest($2::bigint[]) AS wanted (band) CROSS JOIN LATERAL (
        SELECT sketch FROM sketch_bands WHERE sketch_bands.band = wanted.band ORDER BY sketch LIMIT $4
    ) AS first
    UNION ALL
    SELECT id, NULL FROM sketches WHERE project = $1 AND text_key = ANY($3::text[])
) AS found JOIN sketches USING (id)
WHERE project = $1 GROUP BY sketches.id ORDER BY sketches.id
"""

_INSERT_SKETCHES = """
WITH added AS (
    INSERT INTO sketches (project, text_key, signature, group_key, side)
    SELECT $1, * FROM unnest($2::text[], $3::bytea[], $4::text[], $5::text[]) RETURNING id, text_key
)
INSERT INTO sketch_bands (band, sketch)
SELECT DISTINCT band, id FROM unnest($6::text[], $7::bigint[]) AS given (text_key, band)
JOIN added USING (text_key)
"""


async def neighbours(
    connection: asyncpg.Connection, project: str, sketches: Sequence[Sketch]
) -> list[Placed]:
    """Return the stored texts that any of `sketches` are to be compared with, in the order they came, each
    with the bands it shares: the first of each band, and those with the same key."""
    bands = list({band for sketch in sketches for band in sketch.bands})
    keys = [sketch.key for sketch in sketches]
    rows = await connection.fetch(_NEIGHBOURS, project, bands, keys, MOST_A_BAND)
    return [
        Placed(Sketch(row["text_key"], row["signature"], row["bands"]), row["group_key"], side)
        for row in rows
        for side in [Side(row["side"])]
    ]


async def _add_sketches(connection: asyncpg.Connection, project: str, placed: Sequence[Placed]) -> None:
    texts = list({each.sketch.key: each for each in placed}.values())
    pairs = [(each.sketch.key, band) for each in texts for band in each.sketch.bands]
    await connection.execute(
        _INSERT_SKETCHES,
        project,
        [each.sketch.key for each in texts],
        [each.sketch.signature for each in texts],
        [each.group for each in texts],
        [each.side.value for each in texts],
        [key for key, _ in pairs],
        [band for _, band in pairs],
    )


def _decision_row(event: ReviewDecided, placed: Placed, now: int) -> tuple[Any, ...]:
    return (
        *(event.project, event.event_id, event.item_id, event.content, ids.content_hash(event.content, {})),
        *(_json(event.metadata), _json(event.label), _json(event.machine_label)),
        *(event.machine_confidence, event.is_correction, event.reasons, event.propensity, event.blind),
        *(len(event.decisions), event.guideline_version, event.release, event.decided_at, now),
        *(placed.sketch.key, placed.group, placed.side.value),
        *(_json(event.votes), event.audit_rate, _json([_text(each.label) for each in event.decisions])),
    )


def _text(label: Any) -> str:
    """Return a label as `label #>> '{}'` does: a string as it is, others as JSON."""
    return label if isinstance(label, str) else _json(label)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _job(row: Mapping[str, Any]) -> Job:
    return Job(
        id=row["id"],
        project=row["project"],
        trainer=row["trainer"],
        trigger=row["trigger"],
        state=State(row["state"]),
        dataset=row["dataset"],
        progress=row["progress"].encode(),
        failures=row["failures"],
        created_at=row["created_at"],
    )


async def _erased(connection: asyncpg.Connection, project: str, incoming: Sequence[Incoming]) -> set[str]:
    """Return the items that must not come back."""
    hashes = {ids.item_hash(project, each.event.item_id): each.event.item_id for each in incoming}
    rows = await connection.fetch("SELECT item_hash FROM erased WHERE item_hash = ANY($1)", list(hashes))
    return {hashes[row["item_hash"]] for row in rows}


async def _finish(
    connection: asyncpg.Connection | asyncpg.Pool, job: Job, state: State, outcome: str, now: int
) -> None:
    done = await connection.fetchval(
        "UPDATE jobs SET state = $2, outcome = $3, finished_at = $4"
        " WHERE id = $1 AND state IN ('waiting', 'running') RETURNING id",
        *(job.id, state.value, outcome, now),
    )
    if done is None:
        raise Superseded(f"job {job.id} was finished by another process")
