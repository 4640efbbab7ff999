"""Recorded votes scored anew, as the autolabeler would under a release. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from labelmill.acceptance import LEAST_CONFIDENCE
from labelmill.calibration import Calibrations
from labelmill.eligibility import Rules
from labelmill.events import Vote
from labelmill.kinds import kind_named
from labelmill.pooling import FUNCTION, FUNCTIONS, Pool
from labelmill.projects import ProjectSpec
from labelmill.releases import Release
from numpy.typing import NDArray

from trainer.cast import Cast, Steps
from trainer.promises import Rescored

Floats = NDArray[np.float64]


class Votes(NamedTuple):
    """What is known of an item: its recorded votes, the student's probabilities, and what people decided."""

    recorded: Sequence[Vote]
    shares: Floats | None
    truth: str
    metadata: Mapping[str, str] = {}


class Pooled(NamedTuple):
    """A label, its confidence (calibrated where possible), and the probabilities as pooled."""

    label: str
    confidence: float
    probabilities: dict[str, float]


class _Step(NamedTuple):
    label: str
    confidence: float
    acceptable: bool


class Scorer:
    """Scores items of one project under one release."""

    def __init__(self, spec: ProjectSpec, release: Release) -> None:
        self.cast = Cast(spec, release.student, release.finetuned)
        self._pool = Pool.of(kind_named(spec.kind), spec.label_names, release)
        self._calibrations = Calibrations(release.calibrators)
        self._rules = Rules.of(spec.policy, kind_named(spec.kind))
        self._calibrated = {tuple(calibrator.voters) for calibrator in release.calibrators}

    def score(self, item: Votes) -> Rescored:
        """Return the score with which an item is accepted, if it is.

        At a threshold t the label of the first step whose calibrated confidence reaches t is accepted; of an
        item that waits for people since before t was certified, that of the last step. If no step is wrong,
        the surest one scores. Else the surest one that is wrong does: at lower thresholds the item is an
        error even where another step is right, and at higher ones it does not count. What a threshold accepts
        is never told as better than it is. If a later step might have accepted, and nobody knows with which
        label, that is `unknown`, at the highest confidence.
        """
        steps = self.cast.steps(item.recorded, item.shares)
        if self._may_accept_later(steps, item.recorded):
            label = str(item.recorded[0].label) if item.recorded else self.cast.labels[0]
            # Which label, and whether the voters differ, is not known: only what is known of the item counts.
            acceptable = not self._rules.reasons("", [], item.metadata)
            return Rescored(label, 1.0, acceptable=acceptable, unknown=True)
        scored = [self._step(votes, item.metadata) for votes in steps.votes or [[]]]
        accepting = [each for each in scored if each.acceptable]
        if not accepting:
            return Rescored(scored[-1].label, scored[-1].confidence, acceptable=False, unknown=False)
        wrong = [each for each in accepting if each.label != item.truth]
        counted = max(wrong or accepting, key=lambda each: each.confidence)
        return Rescored(*counted, unknown=False)

    def pooled(self, item: Votes) -> Pooled:
        """Return the score of the last step that is known, for evaluation."""
        steps = self.cast.steps(item.recorded, item.shares).votes
        votes = steps[-1] if steps else []
        opinion = self._pool(votes)
        confidence, _ = self._calibrations(votes, opinion.label, opinion.confidence)
        return Pooled(opinion.label, confidence, opinion.probabilities)

    def _step(self, votes: Sequence[Vote], metadata: Mapping[str, str]) -> _Step:
        opinion = self._pool(votes)
        confidence, calibrated = self._calibrations(votes, opinion.label, opinion.confidence)
        label = str(opinion.label)
        acceptable = calibrated and confidence >= LEAST_CONFIDENCE
        return _Step(label, confidence, acceptable and not self._rules.reasons(label, votes, metadata))

    def _may_accept_later(self, steps: Steps, recorded: Sequence[Vote]) -> bool:
        """Return whether the votes that are missing belong to a set of voters that is calibrated."""
        functions = [FUNCTIONS] if any(vote.source == FUNCTION for vote in recorded) else []
        later = (tuple(sorted([*functions, *names])) for names in self.cast.later(steps))
        return any(voters in self._calibrated for voters in later)
