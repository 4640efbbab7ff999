"""The trainer's clock: looks at the triggers, takes up jobs, and settles what they come to."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from labelmill.events import ProjectPublished, ReleasePublished
from labelmill.projects import ProjectSpec
from labelmill.releases import Release
from labelmill.runtime.compacted import Follower
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import is_passing

from trainer import triggers
from trainer.datasets import Dataset
from trainer.errors import ProviderRefused, Superseded
from trainer.jobs import Ended, Job, Outcome, Pause, Proposal, State, next_release, retry_at
from trainer.relay import Relay
from trainer.settings import TrainerSettings
from trainer.store import Store

log = structlog.get_logger(__name__)

_TICK_SECONDS = 1.0
_NAME = "trainings"


class Trainer(Protocol):
    """One way to train. A step may be repeated after a crash, so it must not matter if it is."""

    async def advance(
        self, job: Job, dataset: Dataset, spec: ProjectSpec, present: Release | None
    ) -> Outcome: ...


class Trainings:
    """Starts trainings when they are due and sees them through; a component of the service.

    One training a project at a time, whatever the number of processes. A job outlives its process: whoever
    gets its lock next takes it up where it was recorded to be.
    """

    def __init__(
        self,
        *,
        store: Store,
        projects: Follower[ProjectPublished],
        releases: Follower[ReleasePublished],
        trainers: Mapping[str, Trainer],
        relay: Relay,
        settings: TrainerSettings,
        health: Health,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._projects = projects
        self._releases = releases
        self._trainers = trainers
        self._relay = relay
        self._settings = settings
        self._health = health
        self._metrics = metrics
        self._changed: set[str] = set()
        self._swept_at = float("-inf")
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._clock: asyncio.Task[None] | None = None
        self._on_settled: list[Callable[[str], None]] = []

    def on_settled(self, hear: Callable[[str], None]) -> None:
        """Have `hear` called with the project of each training that came to a verdict; before the start."""
        self._on_settled.append(hear)

    async def start(self) -> None:
        self._clock = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Break off: what was under way is taken up at the next start."""
        tasks = [*self._running.values(), *([self._clock] if self._clock else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def changed(self, project: str) -> None:
        """Note that a project has new decisions or a new job."""
        self._changed.add(project)
        self._woken.set()

    async def present(self, project: str) -> Release | None:
        """Return the release in force: the newest recorded here or, should the tables be lost, published."""
        recorded = await self._store.present(project)
        event = self._releases.get(project)
        published = event.release if event else None
        found = [release for release in (recorded, published) if release is not None]
        return max(found, key=lambda release: release.number, default=None)

    async def _run(self) -> None:
        while True:
            self._health.busy(_NAME)
            try:
                await self._tick()
            except Exception as error:
                if not is_passing(error):
                    self._health.fail(error)
                    return
                log.warning("the database is away", error=repr(error))
            self._health.progress(_NAME, idle=True)
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    async def _tick(self) -> None:
        now = _now()
        await self._start_what_is_due(now)
        for job_id, project, not_before in await self._store.unfinished():
            room = len(self._running) < self._settings.trainings_at_once
            if room and project not in self._running and not_before <= now:
                self._running[project] = asyncio.create_task(self._work(job_id, project))

    async def _start_what_is_due(self, now: int) -> None:
        changed, self._changed = self._changed, set()
        if time.monotonic() - self._swept_at >= self._settings.trigger_seconds:
            self._swept_at = time.monotonic()
            changed = set(self._projects.all())
        try:
            for project in sorted(changed):
                await self._start_if_due(project, now)
        except Exception:
            self._changed |= changed
            raise

    async def _start_if_due(self, project: str, now: int) -> None:
        event = self._projects.get(project)
        if event is None:
            return
        training, promises = event.spec.training, event.spec.policy.target_error is not None
        trigger = triggers.due(training, await self._store.facts(project), now, promises=promises)
        if trigger is not None:
            await self._store.start_if_idle(project, training.trainer, trigger, now)

    async def _work(self, job_id: int, project: str) -> None:
        try:
            async with self._store.training_lock(project) as free:
                if not free:
                    await asyncio.sleep(_TICK_SECONDS)
                    return
                await self._step(await self._store.job(job_id))
        except Superseded as error:
            log.info("training superseded", project=project, reason=str(error))
        except Exception as error:
            if not is_passing(error):
                self._health.fail(error)
            log.warning("training interrupted", project=project, error=repr(error))
            await asyncio.sleep(_TICK_SECONDS)
        finally:
            self._running.pop(project, None)
            self.changed(project)

    async def _step(self, job: Job) -> None:
        if job.state not in (State.WAITING, State.RUNNING):
            return
        event = self._projects.get(job.project)
        if event is None:
            await self._end(job, Ended("the project is gone", failed=True))
            return
        started = time.monotonic()
        dataset = await self._dataset(job, event.spec)
        present = await self.present(job.project)
        try:
            outcome = await self._trainers[job.trainer].advance(job, dataset, event.spec, present)
        except ProviderRefused as error:
            outcome = Ended(str(error), failed=True)
        except Exception as error:
            if is_passing(error):
                raise
            await self._failed(job, error)
            return
        await self._take(job, dataset, present, outcome)
        if not isinstance(outcome, Pause):
            self._metrics.training_seconds.labels(job.project).observe(time.monotonic() - started)

    async def _dataset(self, job: Job, spec: ProjectSpec) -> Dataset:
        if job.dataset is not None:
            return await self._store.dataset(job.project, job.dataset)
        limit = self._settings.dataset_max_decisions
        dataset = await self._store.freeze(job, spec.label_names, limit, _now())
        self._metrics.dataset_decisions.labels(job.project).set(dataset.decisions)
        log.info("training", project=job.project, job=job.id, trigger=job.trigger, dataset=dataset.version)
        return dataset

    async def _take(self, job: Job, dataset: Dataset, present: Release | None, outcome: Outcome) -> None:
        if isinstance(outcome, Pause):
            await self._store.pause(job, outcome.progress, outcome.not_before)
        elif isinstance(outcome, Ended):
            await self._end(job, outcome)
        else:
            await self._settle(job, dataset, present, outcome)

    async def _settle(self, job: Job, dataset: Dataset, present: Release | None, proposal: Proposal) -> None:
        now = _now()
        promoted, reason = proposal.verdict.promote, proposal.verdict.reason
        release = None
        if promoted:
            release = next_release(proposal, present, dataset.version, dataset.decisions, now)
        await self._store.settle(job, dataset.version, proposal, release, now)
        self._relay.wake()
        self._metrics.trainings.labels(job.project, "promoted" if promoted else "not_promoted").inc()
        self._metrics.heldout_accuracy.labels(job.project).set(
            proposal.evaluation.accuracy if promoted else proposal.evaluation.present_accuracy
        )
        for hear in self._on_settled:
            hear(job.project)
        log.info("trained", project=job.project, job=job.id, promoted=promoted, reason=reason)

    async def _end(self, job: Job, ended: Ended) -> None:
        await self._store.end(job, State.FAILED if ended.failed else State.DONE, ended.reason, _now())
        self._metrics.trainings.labels(job.project, "failed" if ended.failed else "not_enough").inc()
        log.warning("training without a candidate", project=job.project, job=job.id, reason=ended.reason)

    async def _failed(self, job: Job, error: Exception) -> None:
        log.exception("training failed", project=job.project, job=job.id)
        reason = f"{type(error).__name__}: {error}"
        now = _now()
        again_at = retry_at(job.failures + 1, now)
        if again_at is None:
            await self._end(job, Ended(reason, failed=True))
            return
        await self._store.fail_once(job, job.failures + 1, again_at, reason)


def _now() -> int:
    return int(time.time() * 1000)
