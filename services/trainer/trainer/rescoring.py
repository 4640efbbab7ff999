"""Scores decisions anew under a release: student's probabilities from embeddings, votes as recorded."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from labelmill import student
from labelmill.embedding import MINILM
from labelmill.events import Vote
from labelmill.projects import ProjectSpec
from labelmill.releases import Release, StudentModel
from numpy.typing import NDArray

from trainer.datasets import Text
from trainer.embeddings import Embeddings
from trainer.evidence import AuditRow
from trainer.promises import Rescored
from trainer.scoring import Scorer, Votes


class Row(Text, Protocol):
    """A decision with the votes it was routed on."""

    @property
    def votes(self) -> list[Vote]: ...

    @property
    def label(self) -> str: ...

    @property
    def metadata(self) -> dict[str, str]: ...


class Rescoring:
    """Scores audits as the autolabeler would under a release."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    async def rescore(
        self, rows: list[AuditRow], spec: ProjectSpec, release: Release | None
    ) -> list[Rescored]:
        """Return the score of each of `rows`; before the first release as they were routed, uncalibrated.

        Raises WorkerFailed, if a text is new and cannot be embedded.
        """
        if release is None:
            return [
                Rescored(row.machine_label, row.machine_confidence, acceptable=False, unknown=False)
                for row in rows
            ]
        scorer = Scorer(spec, release)
        known = await self.known(rows, scorer)
        return await asyncio.to_thread(lambda: [scorer.score(votes) for votes in known])

    async def known(self, rows: Sequence[Row], scorer: Scorer) -> list[Votes]:
        """Return what a scorer needs to know of `rows`."""
        shares = await self._shares(rows, scorer.cast.student)
        return [
            Votes(row.votes, None if shares is None else shares[number], row.label, row.metadata)
            for number, row in enumerate(rows)
        ]

    async def _shares(self, rows: Sequence[Row], model: StudentModel | None) -> NDArray[np.float64] | None:
        if model is None or not rows or model.embedder != MINILM:
            return None
        return student.probabilities(model, await self._embeddings.of(rows))
