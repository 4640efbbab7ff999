"""What the trainer and the autolabeler do with decisions, on arrays: student, pool, calibration. Pure.

The parts are the running system's: `trainer.student`, `trainer.reliabilities`, `labelmill.pooling`,
`trainer.correcting`, `trainer.calibrating` and `labelmill.calibration`.
"""

from dataclasses import dataclass, field

import numpy as np
from labelmill.calibration import calibrated_all
from labelmill.embedding import MINILM
from labelmill.events import Vote
from labelmill.pooling import LEAST_SHARE, corrected_all, pool_all
from labelmill.releases import Calibrator, Correction, Reliability, StudentModel
from labelmill.student import probabilities
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from trainer import calibrating, correcting, reliabilities, student
from trainer.correcting import Pools
from trainer.errors import NotEnough
from trainer.learning import outcomes

from benchmarks.evaluation.data import Floats, Integers

LLM, STUDENT = "smollm2", "student"
FOLDS = 5

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Decided:
    """Decisions to learn from; `vectors` and `llm` (which may be NaN: no vote) are those of their items."""

    vectors: Vectors
    llm: Floats
    labels: Integers
    weights: Floats


@dataclass(frozen=True)
class Machine:
    """What was learned: a release."""

    options: int
    student: StudentModel | None = None
    reliabilities: dict[str, Reliability] = field(default_factory=dict)
    correction: Correction | None = None
    calibrator: Calibrator | None = None

    @property
    def labels(self) -> list[str]:
        """The names of the options: their numbers."""
        return names_of(self.options)

    def student_shares(self, vectors: Vectors) -> Floats | None:
        """Return the student's distributions, shape (items, options), or None if there is no student."""
        return None if self.student is None else shares_of(self.student, vectors, self.options)

    def pooled(self, llm: Floats, students: Floats | None) -> Floats:
        """Return the pool of both votes: by reliabilities if there are any, corrected; else their mean."""
        votes = [llm] if students is None else [llm, students]
        if not self.reliabilities:
            return mean_pool(votes, self.options)
        names = (LLM, STUDENT)[: len(votes)]
        weights = np.array([self.reliabilities[name].weight for name in names])
        pools = pool_all(np.stack([evidence(shares) for shares in votes], axis=1), weights)
        return pools if self.correction is None else corrected_all(self.correction, self.labels, pools)

    def calibrated(self, pooled: Floats) -> Floats:
        """Return the probability of being right of each pool's first label; as pooled if not calibrated."""
        confidence: Floats = pooled.max(axis=1)
        if self.calibrator is None:
            return confidence
        return calibrated_all(self.calibrator, [str(n) for n in pooled.argmax(axis=1)], confidence)

    def score(self, vectors: Vectors, llm: Floats) -> tuple[Integers, Floats]:
        """Return the label of each item and the calibrated probability that it is right."""
        pooled = self.pooled(llm, self.student_shares(vectors))
        return pooled.argmax(axis=1), self.calibrated(pooled)


def names_of(options: int) -> list[str]:
    """Return the labels: the options by number."""
    return [str(number) for number in range(options)]


def shares_of(model: StudentModel, vectors: Vectors, options: int) -> Floats:
    """Return the distributions of a student whose classes are numbers, shape (items, options)."""
    shares = np.zeros((len(vectors), options))
    shares[:, [int(name) for name in model.classes]] = probabilities(model, vectors)
    return shares


def mean_pool(votes: list[Floats], options: int) -> Floats:
    """Return the mean of the distributions; NaN rows are no votes, and no vote at all is even."""
    stacked = np.stack(votes)
    counts = (~np.isnan(stacked[:, :, :1])).sum(axis=0)
    pooled: Floats = np.where(counts > 0, np.nansum(stacked, axis=0) / np.maximum(counts, 1), 1 / options)
    return pooled


def evidence(shares: Floats) -> Floats:
    """Return log-probabilities as `Pool.evidence` does; 0 where there is no vote."""
    logs: Floats = np.log(np.maximum(np.nan_to_num(shares, nan=1.0), LEAST_SHARE))
    return logs


def learn(decided: Decided, options: int, *, with_student: bool = True) -> Machine:
    """Return what a training on these decisions publishes: the student, reliabilities, the correction and the
    calibrator, fitted on out-of-fold votes of the student."""
    model, students = fit_student(decided, options) if with_student else (None, None)
    votes = _votes(decided.llm, students)
    trusted = reliabilities.fit(
        reliabilities.Ballots(
            labels=names_of(options),
            votes=votes,
            truth=[str(label) for label in decided.labels],
            weights=decided.weights,
        )
    )
    pools = _pools(Machine(options, model, trusted).pooled(decided.llm, students), decided)
    voters = [LLM, STUDENT] if model else [LLM]
    corrected = correcting.correct(voters, pools)
    calibrator = calibrating.fit(voters, outcomes(pools, corrected.shares))
    return Machine(options, model, trusted, corrected.correction, calibrator)


def calibrator_of(shares: Floats, decided: Decided) -> Calibrator | None:
    """Return the calibrator of distributions over decided items, or None if these are too few."""
    return calibrating.fit([LLM, STUDENT], outcomes(_pools(shares, decided), shares))


def _pools(shares: Floats, decided: Decided) -> Pools:
    return Pools(
        labels=names_of(shares.shape[1]),
        shares=shares,
        truth=[str(label) for label in decided.labels],
        weights=decided.weights,
        groups=[str(row) for row in range(len(shares))],
    )


def fit_student(decided: Decided, options: int) -> tuple[StudentModel | None, Floats | None]:
    """Return the student and its out-of-fold distributions over the decided items, shape (decisions,
    options); None and None if the decisions are too few."""
    examples = student.Examples(
        vectors=decided.vectors,
        labels=[str(label) for label in decided.labels],
        groups=[str(row) for row in range(len(decided.labels))],
        weights=decided.weights,
    )
    try:
        model, predicted = student.fit_and_predict(examples, embedder=MINILM, sure_accuracy=0.95)
    except NotEnough:
        return None, None
    # An example of a label too rare to be learned is one the student knows nothing of.
    shares = shares_of(model, decided.vectors, options)
    columns = np.array(model.classes, np.int64)
    shares[predicted.rows[:, None], columns[None, :]] = predicted.shares
    return model, shares


def _votes(llm: Floats, students: Floats | None) -> list[list[Vote]]:
    sources = [(LLM, "logprobs", llm)] + ([(STUDENT, "student", students)] if students is not None else [])
    return [
        [_vote(name, source, shares[row]) for name, source, shares in sources if not np.isnan(shares[row, 0])]
        for row in range(len(llm))
    ]


def _vote(name: str, source: str, shares: Floats) -> Vote:
    label = int(shares.argmax())
    return Vote(
        voter=name,
        version="1",
        source=source,
        label=str(label),
        confidence=float(shares[label]),
        probabilities={str(number): float(share) for number, share in enumerate(shares)},
    )


def cross_fitted(vectors: Vectors, labels: Integers, options: int) -> Floats:
    """Return each item's distribution by a student that was fitted without it, shape (items, options)."""
    shares = np.empty((len(labels), options))
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in splitter.split(vectors, labels):
        decided = Decided(
            vectors[train], np.full((len(train), options), np.nan), labels[train], np.ones(len(train))
        )
        model, _ = fit_student(decided, options)
        shares[test] = 1 / options if model is None else shares_of(model, vectors[test], options)
    return shares
