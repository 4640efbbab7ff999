"""The student's votes: embeddings in a thread of their own, then the release's linear model."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from labelmill.embedding import Embedder
from labelmill.errors import EmbedderUnavailable
from labelmill.kinds import Opinion
from labelmill.student import probabilities

from autolabeler.plan import StudentVoter
from autolabeler.pooling import student_opinion

log = structlog.get_logger(__name__)


class Students:
    """Embeds texts and lets students vote on them; a component of the service.

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

    async def opinions(
        self, voter: StudentVoter, labels: Sequence[str], texts: Sequence[str]
    ) -> list[Opinion] | None:
        """Return an opinion a text, or None if the student's embedder cannot be used here."""
        loop = asyncio.get_running_loop()
        shares = await loop.run_in_executor(self._thread, self._shares, voter, texts)
        if shares is None:
            return None
        return [student_opinion(voter, labels, row) for row in shares]

    def _shares(self, voter: StudentVoter, texts: Sequence[str]) -> list[list[float]] | None:
        embedder = self._embedder(voter.model.embedder)
        if embedder is None:
            return None
        rows: list[list[float]] = probabilities(voter.model, embedder.embed(texts)).tolist()
        return rows

    def _embedder(self, name: str) -> Embedder | None:
        if name not in self._embedders:
            try:
                self._embedders[name] = self._load(name)
            except EmbedderUnavailable as error:
                log.error("the student cannot vote", embedder=name, problem=str(error))
                self._embedders[name] = None
        return self._embedders[name]
