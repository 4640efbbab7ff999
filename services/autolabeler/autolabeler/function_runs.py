"""Running labeling functions: rules at once, Python in processes that can be ended."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog
from labelmill.runtime.metrics import Metrics

from autolabeler.functions import FunctionVoter, version_of
from autolabeler.jobs import Job

log = structlog.get_logger(__name__)

_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONSAFEPATH": "1"}
"""All that a function's process gets of the service's environment, which holds passwords."""
_GRACE_SECONDS: Final = 60.0
"""How long a process may say nothing at all: it ends itself long before."""
_MOST_STUCK: Final = 3
_REST_SECONDS: Final = 60.0
"""So many items in a row on which a function does not come back give it a rest of so long."""

Item = tuple[str, Mapping[str, str]]


class _Said(msgspec.Struct):
    label: str | None = None
    error: str | None = None


_decoder = msgspec.json.Decoder(_Said)


class _Broken(Exception):
    """The function cannot be used as its file is now."""


class _Ended(Exception):
    """The process ended over an item. `kind`: `timeout` or `crashed`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Outcome(NamedTuple):
    """A function's label for an item, None if it abstains; or what went wrong, by its kind."""

    label: str | None = None
    error: str = ""
    detail: str = ""


class Host:
    """One Python function and its process, started when it is needed, and again when its file changes."""

    def __init__(self, file: Path, name: str, seconds: float) -> None:
        self._file = file
        self._name = name
        self._seconds = seconds
        self._process: Process | None = None
        self._stamp: tuple[int, int] = (0, 0)
        self._broken = ""
        self._stuck = 0
        self._rests_until = 0.0
        self._lock = asyncio.Lock()
        self.version = ""

    async def answers(self, items: Sequence[Item]) -> list[Outcome]:
        """Return what the function says about each item."""
        async with self._lock:
            try:
                return await self._answers(items)
            except _Broken as error:
                return [Outcome(error="unusable", detail=str(error))] * len(items)
            except BaseException:
                # Cut off in the middle of a talk, it would go on with answers to the old questions.
                await self.close()
                raise

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _answers(self, items: Sequence[Item]) -> list[Outcome]:
        self._look()
        outcomes: list[Outcome] = []
        while len(outcomes) < len(items):
            if time.monotonic() < self._rests_until:
                return outcomes + [Outcome(error="resting")] * (len(items) - len(outcomes))
            try:
                await self._talk(items[len(outcomes) :], outcomes)
                self._stuck = 0
            except _Ended as error:
                detail = f"ended over an item: {error.kind}"
                outcomes.append(Outcome(error=error.kind, detail=detail))
                await self.close()
                self._stuck += 1
                if self._stuck >= _MOST_STUCK:
                    self._stuck, self._rests_until = 0, time.monotonic() + _REST_SECONDS
        return outcomes

    def _look(self) -> None:
        """Forget what is known of a file that has changed. Raises _Broken for one that is not there."""
        try:
            status = self._file.stat()
        except OSError as error:
            raise _Broken(f"{self._file}: {error.strerror}") from error
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._stamp, self._broken, self._rests_until = stamp, "", 0.0
            self.version = version_of(self._file.read_bytes() + self._name.encode())
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            self._process = None
        if self._broken:
            raise _Broken(self._broken)

    async def _talk(self, items: Sequence[Item], outcomes: list[Outcome]) -> None:
        process = self._process or await self._started()
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(items) + b"\n")
        for _ in items:
            said = await self._line(process)
            error = "" if said.error is None else "raised"
            outcomes.append(Outcome(said.label, error, said.error or ""))
            self._stuck = 0

    async def _started(self) -> Process:
        command = (sys.executable, "-m", "autolabeler.function_host", str(self._file), self._name)
        process = await asyncio.create_subprocess_exec(
            *command, str(self._seconds), stdin=PIPE, stdout=PIPE, env=_ENVIRONMENT
        )
        self._process = process
        try:
            said = await self._line(process)
        except _Ended as error:
            said = _Said(error=f"it did not load: {error}")
        if said.error is not None:
            await self.close()
            self._broken = said.error
            raise _Broken(said.error)
        return process

    async def _line(self, process: Process) -> _Said:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._seconds + _GRACE_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError as error:
            raise _Ended("timeout") from error
        except ValueError as error:
            raise _Ended("crashed") from error
        if not line.endswith(b"\n"):
            code = await process.wait()
            raise _Ended("timeout" if code == -signal.SIGALRM else "crashed")
        return _decoder.decode(line)


class Functions:
    """Lets labeling functions vote; a component of the service.

    A function that raises, does not come back, or names no label of the project abstains on that item; one
    that cannot be loaded abstains altogether. Both are counted and logged.
    """

    def __init__(self, metrics: Metrics, folder: Path | None, seconds: float) -> None:
        """`folder` holds `<project>/<module>.py`; a Python function may take `seconds` for an item."""
        self._metrics = metrics
        self._folder = folder
        self._seconds = seconds
        self._hosts: dict[tuple[str, str], Host] = {}
        self._told: dict[tuple[str, str], str] = {}

    async def start(self) -> None:
        """Nothing: processes are started as functions are met."""

    async def stop(self) -> None:
        for host in self._hosts.values():
            await host.close()

    async def vote(self, jobs: Sequence[Job]) -> None:
        """Add the votes of the functions of the jobs' plan."""
        plan = jobs[0].plan
        for voter in plan.functions:
            if voter.rule is None:
                await self._vote_python(voter, plan.project, jobs)
                continue
            for job in jobs:
                label = voter.rule(job.item.content, job.item.metadata)
                if label is not None:
                    job.votes.append(voter.vote(label))
        # Where nobody else is to be asked, nothing else would let the loop go on between two chunks.
        await asyncio.sleep(0)

    async def _vote_python(self, voter: FunctionVoter, project: str, jobs: Sequence[Job]) -> None:
        host = self._host(project, voter.python)
        if host is None:
            unusable = Outcome(error="unusable", detail="FUNCTIONS_DIR is not set")
            self._count(project, voter, [unusable] * len(jobs))
            return
        outcomes = await host.answers([(job.item.content, job.item.metadata) for job in jobs])
        checked = [_checked(outcome, voter.labels) for outcome in outcomes]
        for job, outcome in zip(jobs, checked, strict=True):
            if outcome.label is not None and not outcome.error:
                job.votes.append(voter.vote(outcome.label, host.version))
        self._count(project, voter, checked)

    def _host(self, project: str, python: str) -> Host | None:
        if self._folder is None:
            return None
        known = self._hosts.get((project, python))
        if known is None:
            # Neither can lead out of the folder: both are checked when a project is read.
            module, _, name = python.partition(":")
            known = Host(self._folder / project / f"{module}.py", name, self._seconds)
            self._hosts[project, python] = known
        return known

    def _count(self, project: str, voter: FunctionVoter, outcomes: Sequence[Outcome]) -> None:
        failures = Counter(outcome.error for outcome in outcomes if outcome.error)
        for error, count in failures.items():
            self._metrics.function_errors.labels(project, voter.name, error).inc(count)
            detail = next(outcome.detail for outcome in outcomes if outcome.error == error)
            if self._told.get((project, voter.name)) != f"{error} {detail}":
                self._told[project, voter.name] = f"{error} {detail}"
                log.error(
                    "a labeling function abstains",
                    project=project,
                    voter=voter.name,
                    error=error,
                    detail=detail,
                )
        if not failures:
            self._told.pop((project, voter.name), None)


def _checked(outcome: Outcome, labels: Sequence[str]) -> Outcome:
    if outcome.label is None or outcome.label in labels:
        return outcome
    return Outcome(error="outside", detail=f"{outcome.label[:80]!r} is no label of the project")
