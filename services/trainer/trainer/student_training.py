"""The trainer `student`: a fit in the training process, what it teaches of the voters, a verdict."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from labelmill.embedding import MINILM
from labelmill.projects import ProjectSpec
from labelmill.releases import Release, Shot, StudentModel
from numpy.typing import NDArray

from trainer import evaluation, learning
from trainer.cast import Cast
from trainer.datasets import Dataset, Member, sides
from trainer.embeddings import Embeddings
from trainer.errors import NotEnough, WorkerFailed
from trainer.jobs import Ended, Job, Outcome, Proposal
from trainer.learning import Decided, Learned
from trainer.settings import TrainerSettings
from trainer.shots import Candidate, chosen, wants_shots
from trainer.store import Store
from trainer.training_process import TrainingProcess
from trainer.weighting import FIT_RATIO, JUDGE_RATIO, inverse_propensity
from trainer.work import Fit, Fitted, Lacking

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class _Fit:
    """A student with its out-of-fold probabilities on the training side."""

    model: StudentModel
    shares: NDArray[np.float64]


class StudentTrainer:
    """Trains and judges a student in one step."""

    def __init__(self, store: Store, settings: TrainerSettings) -> None:
        self._store = store
        self._embeddings = Embeddings(store, settings)
        self._settings = settings

    async def advance(
        self, job: Job, dataset: Dataset, spec: ProjectSpec, present: Release | None
    ) -> Outcome:
        """Return the candidate with its verdict, or what is missing. Raises WorkerFailed."""
        members = await self._store.members(dataset)
        train_rows, held_rows = sides(members)
        train = [members[row] for row in train_rows]
        held = [members[row] for row in held_rows]
        try:
            evaluation.check_held_out(len(held))
            async with TrainingProcess(
                self._settings.training_threads, self._settings.training_timeout_seconds
            ) as process:
                vectors = await self._embeddings.of(members, process)
                fitted = await _fit(train, vectors[train_rows], spec, process)
        except NotEnough as lacking:
            return Ended(str(lacking), failed=False)
        proposal = await asyncio.to_thread(
            _propose, fitted.model, present, held, vectors[held_rows], len(spec.labels)
        )
        learned = await self._learned(fitted, train, spec, present)
        shots = await self._shots(train, vectors[train_rows], spec)
        return _with_learned(proposal, spec, present, learned, shots)

    async def _learned(
        self, fitted: _Fit, train: Sequence[Member], spec: ProjectSpec, present: Release | None
    ) -> tuple[Learned, Learned]:
        """Return what is learned of the voters with the student, and without one."""
        decided = Decided(
            votes=await self._store.votes(train),
            shares=fitted.shares,
            labels=[member.label for member in train],
            weights=inverse_propensity([member.propensity for member in train], JUDGE_RATIO),
            groups=[member.group for member in train],
        )
        finetuned = present.finetuned if present else None
        casts = [Cast(spec, fitted.model, finetuned), Cast(spec, None, finetuned)]
        with_student, without = [await asyncio.to_thread(learning.learn, spec, c, decided) for c in casts]
        return with_student, without

    async def _shots(self, train: Sequence[Member], vectors: Vectors, spec: ProjectSpec) -> list[Shot]:
        if not wants_shots(spec):
            return []
        contents = await self._store.contents(train)
        return chosen(
            [
                Candidate(content, member.label, member.group, vector.astype("<f4").tobytes())
                for content, member, vector in zip(contents, train, vectors, strict=True)
            ]
        )


async def _fit(
    members: Sequence[Member], vectors: Vectors, spec: ProjectSpec, process: TrainingProcess
) -> _Fit:
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
    shares = np.frombuffer(reply.shares, "<f4").reshape(len(members), -1).astype(np.float64)
    return _Fit(reply.model, shares)


def _with_learned(
    proposal: Proposal,
    spec: ProjectSpec,
    present: Release | None,
    learned: tuple[Learned, Learned],
    shots: list[Shot],
) -> Proposal:
    """Return the proposal with what was learned of the voters.

    A student that is no better is left out. Under a promise, which accepts only calibrated scores, what was
    learned of the other voters is promoted all the same where no student is in force: the first time
    something can be calibrated, and each time the decisions behind it have doubled. (Not at every training,
    for every release has to earn its promise anew.)
    """
    with_student, without = learned
    verdict, student, kept = proposal.verdict, proposal.student, with_student
    judged = proposal.evaluation
    promised = spec.policy.target_error is not None
    if promised and not verdict.promote and _is_news(without, present):
        student, kept = None, without
        judged = msgspec.structs.replace(
            judged, accuracy=judged.present_accuracy, log_loss=0.0, sure_share=0.0
        )
        verdict = evaluation.Verdict(True, f"voters measured and calibrated; the student is {verdict.reason}")
    return Proposal(
        evaluation=judged,
        verdict=verdict,
        student=student,
        reliabilities=kept.reliabilities,
        corrections=kept.corrections,
        calibrators=kept.calibrators,
        embedder=MINILM if shots else "",
        shots=shots,
    )


def _is_news(learned: Learned, present: Release | None) -> bool:
    if not learned.calibrators or (present is not None and present.student is not None):
        return False
    before = sum(each.decisions for each in present.calibrators) if present else 0
    return sum(each.decisions for each in learned.calibrators) >= 2 * before


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
