"""Looks at the quality of a project's labels: after each training and on demand, published."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import numpy as np
import structlog
from labelmill.events import ProjectPublished, QualityPublished, encode
from labelmill.projects import ProjectSpec
from labelmill.quality import Quality
from labelmill.releases import Release
from labelmill.runtime.compacted import Follower
from labelmill.runtime.health import Health
from labelmill.runtime.retry import is_passing
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import QUALITY

from trainer import quality
from trainer.embeddings import Embeddings
from trainer.errors import WorkerFailed
from trainer.looks import LookedAt, Looks
from trainer.publications import Publications
from trainer.relay import Relay
from trainer.rescoring import Rescoring
from trainer.scoring import Pooled, Scorer
from trainer.settings import TrainerSettings
from trainer.slices import Found, worse_slices
from trainer.splitting import sketch
from trainer.suspects import suspects
from trainer.training_process import TrainingProcess
from trainer.weighting import JUDGE_RATIO, inverse_propensity
from trainer.work import Cluster, Clustered

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0
_MOST_DECISIONS = 5_000
"""Decisions of one look, the newest."""


class Qualities:
    """Looks at projects that `changed` names; a component of the service."""

    def __init__(
        self,
        *,
        looks: Looks,
        embeddings: Embeddings,
        publications: Publications,
        projects: Follower[ProjectPublished],
        present: Callable[[str], Awaitable[Release | None]],
        relay: Relay,
        settings: TrainerSettings,
        health: Health,
    ) -> None:
        """`present` returns the release in force of a project."""
        self._looks = looks
        self._embeddings = embeddings
        self._rescoring = Rescoring(embeddings)
        self._publications = publications
        self._projects = projects
        self._present = present
        self._relay = relay
        self._settings = settings
        self._health = health
        self._changed: set[str] = set()
        self._clock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._clock = supervised(self._run(), self._health)

    async def stop(self) -> None:
        """Break off: a look that was under way is lost, and the next training takes another."""
        await break_off(self._clock)

    def changed(self, project: str) -> None:
        """Ask for a look at a project."""
        self._changed.add(project)

    async def _run(self) -> None:
        while True:
            while self._changed:
                project = self._changed.pop()
                try:
                    await self._look(project)
                except WorkerFailed as error:
                    log.warning("no look at quality", project=project, error=str(error))
                except Exception as error:
                    if not is_passing(error):
                        raise
                    self._changed.add(project)
                    log.warning("the database is away", error=repr(error))
                    break
            await asyncio.sleep(_EVERY_SECONDS)

    async def _look(self, project: str) -> None:
        event = self._projects.get(project)
        if event is None:
            return
        release = await self._present(project)
        found = await self.quality(event.spec, release)
        now = int(time.time() * 1000)
        payload = encode(QualityPublished(project=project, quality=found, published_at=now))
        await self._publications.put(project, QUALITY, payload, now)
        self._relay.wake()

    async def quality(self, spec: ProjectSpec, release: Release | None) -> Quality:
        """Return the quality of a project's labels under a release. Raises WorkerFailed."""
        rows, duplicates = await self._rows(spec, release)
        pooled = await self._pooled(rows, spec, release)
        clusters = await self._clusters(rows)
        found = await asyncio.to_thread(_judged, spec, rows, pooled, clusters)
        number = release.number if release else 0
        return msgspec.structs.replace(found, release=number, duplicates=duplicates)

    async def _rows(self, spec: ProjectSpec, release: Release | None) -> tuple[list[LookedAt], int]:
        """Return the decisions to judge on, and how many were left out since they resemble a text that served
        the training, or that a prompt shows."""
        dataset = release.dataset if release else ""
        rows = await self._looks.decisions(spec.project, spec.label_names, dataset, _MOST_DECISIONS)
        shown = [example.content for voter in spec.voters for example in voter.examples]
        if release is not None:
            shown += [shot.example.content for shot in release.shots]
        keys = await self._looks.resembling(spec.project, [sketch(spec.project, text) for text in shown])
        kept = [row for row in rows if not row.was_seen and row.text_key not in keys]
        return kept, len(rows) - len(kept)

    async def _pooled(
        self, rows: Sequence[LookedAt], spec: ProjectSpec, release: Release | None
    ) -> list[Pooled]:
        if release is None:
            return [Pooled(row.machine_label, row.machine_confidence, {}) for row in rows]
        scorer = Scorer(spec, release)
        known = await self._rescoring.known(rows, scorer)
        return await asyncio.to_thread(lambda: [scorer.pooled(votes) for votes in known])

    async def _clusters(self, rows: Sequence[LookedAt]) -> dict[str, list[int]]:
        if not rows:
            return {}
        settings = self._settings
        async with TrainingProcess(settings.training_threads, settings.training_timeout_seconds) as process:
            vectors = await self._embeddings.of(rows, process)
            texts = [row.content for row in rows]
            reply = await process.call(Cluster(vectors.shape[1], vectors.tobytes(), texts))
        if not isinstance(reply, Clustered):
            raise WorkerFailed(f"clusters were answered with {type(reply).__name__}")
        return reply.rows


def _judged(
    spec: ProjectSpec, rows: Sequence[LookedAt], pooled: Sequence[Pooled], clusters: dict[str, list[int]]
) -> Quality:
    judged = quality.Judged(
        confidences=np.array([each.confidence for each in pooled], np.float64),
        right=np.array([p.label == row.label for p, row in zip(pooled, rows, strict=True)], np.bool_),
        weights=inverse_propensity([row.propensity for row in rows], JUDGE_RATIO),
    )
    found = [
        Found(row.item_id, row.content, row.metadata, row.label, each.label)
        for row, each in zip(rows, pooled, strict=True)
    ]
    bins = quality.reliability(judged)
    with_shares = [n for n, each in enumerate(pooled) if each.probabilities]
    shares = [[pooled[n].probabilities.get(label, 0.0) for label in spec.label_names] for n in with_shares]
    return Quality(
        release=0,
        decisions=len(rows),
        accuracy=quality.accuracy(judged),
        calibration_error=quality.calibration_error(bins),
        reliability=bins,
        risk_coverage=quality.risk_coverage(judged),
        slices=worse_slices(found, clusters),
        suspects=suspects(
            [rows[n].item_id for n in with_shares],
            [rows[n].label for n in with_shares],
            spec.label_names,
            np.array(shares, np.float64).reshape(-1, len(spec.label_names)),
            np.array([rows[n].may_be_doubted for n in with_shares], np.bool_),
        ),
    )
