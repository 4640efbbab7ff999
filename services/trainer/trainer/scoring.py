"""Recorded votes scored anew, as the autolabeler would under a release. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from labelmill.calibration import Calibrations
from labelmill.events import Vote
from labelmill.kinds import kind_named
from labelmill.pooling import FUNCTION, FUNCTIONS, Pool
from labelmill.projects import ProjectSpec
from labelmill.releases import Release
from numpy.typing import NDArray

from trainer.cast import Cast, Steps
from trainer.promises import Rescored

_LEAST_THRESHOLD = 0.5
"""No threshold is worth having below it: no target allows so many errors."""

Floats = NDArray[np.float64]


class Votes(NamedTuple):
    """What is known of an item: its recorded votes, the student's probabilities, and what people decided."""

    recorded: Sequence[Vote]
    shares: Floats | None
    truth: str


class Pooled(NamedTuple):
    """A label, its confidence (calibrated where possible), and the probabilities as pooled."""

    label: str
    confidence: float
    probabilities: dict[str, float]


class _Scored(NamedTuple):
    label: str
    confidence: float
    calibrated: bool


class Scorer:
    """Scores items of one project under one release."""

    def __init__(self, spec: ProjectSpec, release: Release) -> None:
        self.cast = Cast(spec, release.student, release.finetuned)
        self._pool = Pool(kind_named(spec.kind), spec.label_names, release.reliabilities)
        self._calibrations = Calibrations(release.calibrators)
        self._calibrated = {tuple(calibrator.voters) for calibrator in release.calibrators}

    def score(self, item: Votes) -> Rescored:
        """Return the score with which an item is accepted, if it is.

        A label is accepted once a step of the cascade reaches the threshold: that of the highest calibrated
        confidence counts. If an earlier step alone would have accepted a label that is wrong, at a lower
        threshold, it counts in its place: what a laxer threshold accepts is not told as better than it is.
        If a later step might have accepted, and nobody knows with which label, that is `unknown`, at the
        highest confidence.
        """
        steps = self.cast.steps(item.recorded, item.shares)
        if self._may_accept_later(steps, item.recorded):
            label = str(item.recorded[0].label) if item.recorded else self.cast.labels[0]
            return Rescored(label, 1.0, calibrated=True, unknown=True)
        scored = [self._scored(votes) for votes in steps.votes or [[]]]
        accepting = [each for each in scored if each.calibrated]
        if not accepting:
            return Rescored(*scored[-1], unknown=False)
        best = max(accepting, key=lambda each: each.confidence)
        for early in accepting[: accepting.index(best)]:
            if early.confidence >= _LEAST_THRESHOLD and early.label != item.truth:
                return Rescored(*early, unknown=False)
        return Rescored(*best, unknown=False)

    def pooled(self, item: Votes) -> Pooled:
        """Return the score of the last step that is known, for evaluation."""
        steps = self.cast.steps(item.recorded, item.shares).votes
        votes = steps[-1] if steps else []
        opinion = self._pool(votes)
        confidence, _ = self._calibrations(votes, opinion.label, opinion.confidence)
        return Pooled(opinion.label, confidence, opinion.probabilities)

    def _scored(self, votes: Sequence[Vote]) -> _Scored:
        opinion = self._pool(votes)
        confidence, calibrated = self._calibrations(votes, opinion.label, opinion.confidence)
        return _Scored(opinion.label, confidence, calibrated)

    def _may_accept_later(self, steps: Steps, recorded: Sequence[Vote]) -> bool:
        """Return whether the votes that are missing belong to a set of voters that is calibrated."""
        functions = [FUNCTIONS] if any(vote.source == FUNCTION for vote in recorded) else []
        later = (tuple(sorted([*functions, *names])) for names in self.cast.later(steps))
        return any(voters in self._calibrated for voters in later)
