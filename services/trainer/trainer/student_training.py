"""The trainer `student`: embeddings from the cache or the training process, a fit there, a verdict here."""

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
from labelmill.embedding import MINILM
from labelmill.projects import ProjectSpec
from labelmill.releases import Release, StudentModel
from numpy.typing import NDArray

from trainer import evaluation
from trainer.datasets import Dataset, Member, sides
from trainer.errors import NotEnough, WorkerFailed
from trainer.jobs import Ended, Job, Outcome, Proposal
from trainer.settings import TrainerSettings
from trainer.store import Store
from trainer.training_process import TrainingProcess
from trainer.weighting import FIT_RATIO, inverse_propensity
from trainer.work import Embed, Embedded, Fit, Fitted, Lacking

_AT_ONCE = 256
"""Texts embedded before they are stored: so many are embedded again after a crash at most."""


class StudentTrainer:
    """Trains and judges a student in one step."""

    def __init__(self, store: Store, settings: TrainerSettings) -> None:
        self._store = store
        self._settings = settings

    async def advance(
        self, job: Job, dataset: Dataset, spec: ProjectSpec, present: Release | None
    ) -> Outcome:
        """Return the candidate with its verdict, or what is missing. Raises WorkerFailed."""
        members = await self._store.members(dataset)
        train, held_out = sides(members)
        try:
            evaluation.check_held_out(len(held_out))
            async with TrainingProcess(
                self._settings.training_threads, self._settings.training_timeout_seconds
            ) as process:
                vectors = await self._vectors(members, process)
                model = await self._fit([members[row] for row in train], vectors[train], spec, process)
        except NotEnough as lacking:
            return Ended(str(lacking), failed=False)
        held = [members[row] for row in held_out]
        return await asyncio.to_thread(_propose, model, present, held, vectors[held_out], len(spec.labels))

    async def _vectors(self, members: Sequence[Member], process: TrainingProcess) -> NDArray[np.float32]:
        """Return one row a member, from the cache where it is there; what is not is embedded and kept."""
        vectors: NDArray[np.float32] | None = None
        for start in range(0, len(members), _AT_ONCE):
            rows = await self._chunk(members[start : start + _AT_ONCE], process)
            if vectors is None:
                vectors = np.empty((len(members), rows.shape[1]), np.float32)
            vectors[start : start + len(rows)] = rows
        assert vectors is not None, "a dataset with held-out decisions is not empty"
        return vectors

    async def _chunk(self, members: Sequence[Member], process: TrainingProcess) -> NDArray[np.float32]:
        vectors = await self._store.embeddings(MINILM, [member.content_hash for member in members])
        missing = {each.content_hash: each for each in members if each.content_hash not in vectors}
        if missing:
            texts = await self._store.contents(list(missing.values()))
            fresh = await _embed(dict(zip(missing, texts, strict=True)), process)
            await self._store.add_embeddings(MINILM, fresh)
            vectors |= fresh
        packed = b"".join(vectors[member.content_hash] for member in members)
        return np.frombuffer(packed, "<f4").reshape(len(members), -1)

    async def _fit(
        self,
        members: Sequence[Member],
        vectors: NDArray[np.float32],
        spec: ProjectSpec,
        process: TrainingProcess,
    ) -> StudentModel:
        reply = await process.call(
            Fit(
                embedder=MINILM,
                dimensions=vectors.shape[1],
                vectors=vectors.tobytes(),
                labels=[member.label for member in members],
                groups=[member.group for member in members],
                weights=inverse_propensity([member.propensity for member in members], FIT_RATIO).tolist(),
                sure_accuracy=spec.training.sure_accuracy,
            )
        )
        if isinstance(reply, Lacking):
            raise NotEnough(reply.reason)
        if not isinstance(reply, Fitted):
            raise WorkerFailed(f"a fit was answered with {type(reply).__name__}")
        return reply.model


async def _embed(texts: Mapping[str, str], process: TrainingProcess) -> dict[str, bytes]:
    reply = await process.call(Embed(MINILM, list(texts.values())))
    if not isinstance(reply, Embedded):
        raise WorkerFailed(f"texts were answered with {type(reply).__name__}")
    size = reply.dimensions * 4
    return {
        content_hash: reply.vectors[row * size : (row + 1) * size] for row, content_hash in enumerate(texts)
    }


def _propose(
    model: StudentModel,
    present: Release | None,
    held: Sequence[Member],
    vectors: NDArray[np.float32],
    options: int,
) -> Proposal:
    truth = [member.label for member in held]
    weights = evaluation.judging_weights(held)
    candidate = evaluation.student_score(model, vectors, truth, weights)
    rival = present.student if present else None
    if rival is not None and rival.embedder == model.embedder:
        standing = evaluation.student_score(rival, vectors, truth, weights)
    else:
        standing = evaluation.standing_of_machine(held, options)
    return Proposal(
        evaluation=evaluation.evaluation_of(candidate, standing),
        verdict=evaluation.judge(candidate, standing),
        student=model,
    )
