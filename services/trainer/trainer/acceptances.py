"""What may be accepted: judged anew as blind audits come in and as releases change, and published."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import AcceptancePublished, EventDecoder, ProjectPublished, encode
from labelmill.projects import ProjectSpec
from labelmill.promise.gate import Promise
from labelmill.promise.standing import Standing, judged, promise_of, published, starts_anew
from labelmill.releases import Release
from labelmill.runtime.compacted import Follower
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import is_passing
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import ACCEPTANCE

from trainer.audits import Audits
from trainer.definitions import carried_over, definition_of
from trainer.errors import WorkerFailed
from trainer.evidence import AuditRow
from trainer.gates import Gates, Kept
from trainer.promises import Rescored, audits_of, usable
from trainer.publications import Publications
from trainer.relay import Relay

log = structlog.get_logger(__name__)

_decoder = EventDecoder(AcceptancePublished)

_EVERY_SECONDS = 1.0
_SWEEP_SECONDS = 30.0


class Rescores(Protocol):
    """Scores audits under a release, as the autolabeler would."""

    async def rescore(
        self, rows: list[AuditRow], spec: ProjectSpec, release: Release | None
    ) -> list[Rescored]: ...


class Acceptances:
    """Judges the audits of every project that promises an error; a component of the service."""

    def __init__(
        self,
        *,
        audits: Audits,
        gates: Gates,
        publications: Publications,
        projects: Follower[ProjectPublished],
        present: Callable[[str], Awaitable[Release | None]],
        rescores: Rescores,
        relay: Relay,
        health: Health,
        metrics: Metrics,
    ) -> None:
        """`present` returns the release in force of a project."""
        self._audits = audits
        self._gates = gates
        self._publications = publications
        self._projects = projects
        self._present = present
        self._rescores = rescores
        self._relay = relay
        self._health = health
        self._metrics = metrics
        self._changed: set[str] = set()
        self._swept_at = float("-inf")
        self._clock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._clock = supervised(self._run(), self._health)

    async def stop(self) -> None:
        """Break off: a look that was under way is taken again at the next start."""
        await break_off(self._clock)

    def changed(self, project: str) -> None:
        """Note that a project has new decisions or another release."""
        self._changed.add(project)

    async def _run(self) -> None:
        while True:
            changed, self._changed = self._changed, set()
            if time.monotonic() - self._swept_at >= _SWEEP_SECONDS:
                self._swept_at = time.monotonic()
                changed = set(self._projects.all())
            try:
                for project in sorted(changed):
                    await self._try_to_look(project)
            except Exception as error:
                if not is_passing(error):
                    raise
                self._changed |= changed
                log.warning("the database is away", error=repr(error))
            await asyncio.sleep(_EVERY_SECONDS)

    async def _try_to_look(self, project: str) -> None:
        try:
            await self._look(project)
        except WorkerFailed as error:
            # It is looked at again with the next sweep; what was certified holds meanwhile.
            log.warning("promise not judged", project=project, error=str(error))

    async def _look(self, project: str) -> None:
        event = self._projects.get(project)
        if event is None or event.spec.policy.target_error is None:
            return
        async with self._gates.judging(project) as judging:
            if judging is None:
                return
            now, before = definition_of(event), judging.before
            standing = await self._judged(event, carried_over(*before, now) if before else None)
            judging.now = Kept(standing, now)
            acceptance = published(event.spec, standing)
            # While others may not judge, so that no older verdict is published after a newer one.
            await self._publish(project, acceptance)
        self._show(project, acceptance)

    async def _judged(self, event: ProjectPublished, before: Standing | None) -> Standing:
        """Return the standing after all audits there are by now."""
        spec = event.spec
        family = before.gate.family + 1 if before else 1
        promise = promise_of(spec, await self._audits.pairs(spec.project), family)
        assert promise is not None, "only projects that promise an error are judged"
        release = await self._present(spec.project)
        anew = starts_anew(promise, before, release.number if release else 0)
        seen = 0 if before is None or anew else before.gate.seq
        rows = await self._audits.after(spec.project, event.guideline_version, seen)
        if release:
            rows = usable(rows, await self._gates.watermark(spec.project, release.dataset))
        return await self._standing(spec, promise, before, release, rows)

    async def _standing(
        self,
        spec: ProjectSpec,
        promise: Promise,
        before: Standing | None,
        release: Release | None,
        rows: list[AuditRow],
    ) -> Standing:
        scores = await self._rescores.rescore(rows, spec, release)
        number = release.number if release else 0
        audits = audits_of(rows, scores, number, _in_force(spec, before, number))
        candidates = await self._gates.candidates(spec.project)
        return await asyncio.to_thread(judged, promise, before, number, candidates, audits)

    def _show(self, project: str, acceptance: Acceptance) -> None:
        metrics = self._metrics
        metrics.promise_open.labels(project).set(acceptance.state == "open")
        metrics.promise_alarms.labels(project).set(acceptance.alarms)
        metrics.audits_missing.labels(project).set(acceptance.audits_missing)
        metrics.error_bound.labels(project).set(acceptance.error_bound)

    async def _publish(self, project: str, acceptance: Acceptance) -> None:
        now = int(time.time() * 1000)
        newest = await self._publications.newest(project, ACCEPTANCE)
        if newest is not None and _content(newest) == acceptance:
            return
        event = AcceptancePublished(project=project, acceptance=acceptance, published_at=now)
        await self._publications.put(project, ACCEPTANCE, encode(event), now)
        self._relay.wake()
        log.info("promise judged", project=project, state=acceptance.state, told=acceptance.sentence)


def _in_force(spec: ProjectSpec, standing: Standing | None, release: int) -> Threshold | None:
    """Return what is accepted of a release's scores."""
    thresholds = published(spec, standing).thresholds if standing else []
    return next((each for each in thresholds if each.release == release), None)


def _content(payload: bytes) -> Acceptance:
    return _decoder.decode(payload).acceptance
