"""What an item's embedding tells, in a thread of its own: the student's opinion and similar examples."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import structlog
from labelmill.embedding import Embedder
from labelmill.errors import EmbedderUnavailable
from labelmill.kinds import Opinion
from labelmill.projects import Example
from labelmill.student import Floats, probabilities

from autolabeler.plan import Plan, StudentVoter
from autolabeler.pooling import student_opinion

log = structlog.get_logger(__name__)


class Seen(NamedTuple):
    """What a student says about an item, and the shots near it; None and () where the plan wants none, or
    their embedder cannot be used here."""

    opinion: Opinion | None
    shots: tuple[Example, ...]


class Students:
    """Embeds texts once, lets students vote on them and finds shots near them; a component of the service.

    An embedder is loaded when the first release needs it.
    """

    def __init__(self, load: Callable[[str], Embedder]) -> None:
        """`load` returns the embedder of a name, or raises EmbedderUnavailable."""
        self._load = load
        self._embedders: dict[str, Embedder | None] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="student")

    async def start(self) -> None:
        """Nothing: most projects start without a student."""

    async def stop(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def look(self, plan: Plan, texts: Sequence[str]) -> list[Seen]:
        """Return what the plan's student and shots have to say about each text."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, plan, texts)

    def _look(self, plan: Plan, texts: Sequence[str]) -> list[Seen]:
        vectors: dict[str, Floats | None] = {}
        opinions: Sequence[Opinion | None] = [None] * len(texts)
        shots: Sequence[tuple[Example, ...]] = [()] * len(texts)
        if plan.student is not None:
            found = self._vectors(plan.student.model.embedder, texts, vectors)
            if found is not None:
                opinions = _opinions(plan.student, plan.labels, found)
        if plan.shots is not None:
            found = self._vectors(plan.shots.embedder, texts, vectors)
            if found is not None:
                shots = plan.shots.near(texts, found, plan.similar)
        return [Seen(*each) for each in zip(opinions, shots, strict=True)]

    def _vectors(self, name: str, texts: Sequence[str], known: dict[str, Floats | None]) -> Floats | None:
        if name not in known:
            embedder = self._embedder(name)
            known[name] = embedder.embed(texts) if embedder is not None else None
        return known[name]

    def _embedder(self, name: str) -> Embedder | None:
        if name not in self._embedders:
            try:
                self._embedders[name] = self._load(name)
            except EmbedderUnavailable as error:
                log.error("no student and no similar examples", embedder=name, problem=str(error))
                self._embedders[name] = None
        return self._embedders[name]


def _opinions(voter: StudentVoter, labels: Sequence[str], vectors: Floats) -> list[Opinion]:
    rows: list[list[float]] = probabilities(voter.model, vectors).tolist()
    return [student_opinion(voter, labels, row) for row in rows]
