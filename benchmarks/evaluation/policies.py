"""The policies that the loop is run with: who decides which items, given the machine's scores."""

from typing import NamedTuple, Protocol

import numpy as np
from labelmill.acceptance import floored
from labelmill.promise import gate as gates
from labelmill.promise.gate import Audit, Promise

from benchmarks.evaluation.data import Floats, Integers
from benchmarks.evaluation.streams import Booleans


class Scores(NamedTuple):
    """What the machine says of some items. `raw` is the LLM's own confidence, NaN where it gave no answer;
    `is_calibrated` tells whether `confidence` is a probability of being right."""

    labels: Integers
    confidence: Floats
    raw: Floats
    is_calibrated: bool


class Routes(NamedTuple):
    """Which items go to people, which of them as blind audits, and the propensity with which each did."""

    people: Booleans
    audited: Booleans
    propensity: Floats


class Decided(NamedTuple):
    """Routed items that people have decided: their rows, and whether people named another label."""

    rows: Integers
    scores: Scores
    routes: Routes
    wrong: Booleans


class Rescore(Protocol):
    """Returns what the release in force says of decided rows: confidences, and whether people disagree."""

    def __call__(self, rows: Integers) -> tuple[Floats, Booleans]: ...


class Policy:
    """Everything goes to people. Others change what they need to."""

    def route(self, scores: Scores, draws: Floats) -> Routes:
        """Route items; `draws` are uniform on 0 to 1."""
        count = len(scores.labels)
        return _reviewed(np.ones(count), draws)

    def decided(self, decided: Decided) -> None:
        """Hear of decisions."""

    def released(self, watermark: int, rescore: Rescore) -> None:
        """Hear of a new release, which was learned from the first `watermark` decisions."""

    def learns_from(self, rows: Integers) -> Integers:
        """Return which of the decided rows may be learned from."""
        return rows


class RandomReview(Policy):
    """A share of the items, drawn at random, goes to people."""

    def __init__(self, share: float) -> None:
        self._share = share

    def route(self, scores: Scores, draws: Floats) -> Routes:
        return _reviewed(np.full(len(scores.labels), self._share), draws)


class FixedThreshold(Policy):
    """What the LLM says with a raw confidence of at least `threshold` is accepted."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def route(self, scores: Scores, draws: Floats) -> Routes:
        return _reviewed(np.where(scores.raw >= self._threshold, 0.0, 1.0), draws)


class Calibrated(Policy):
    """Ours without a promise: accepted from a calibrated confidence up, with audits. Nothing before the first
    calibration."""

    def __init__(self, threshold: float, audit_rate: float) -> None:
        self._threshold, self._audit_rate = threshold, audit_rate

    def route(self, scores: Scores, draws: Floats) -> Routes:
        acceptable = (scores.confidence >= self._threshold) & scores.is_calibrated
        routes = _reviewed(np.where(acceptable, self._audit_rate, 1.0), draws)
        return routes._replace(audited=routes.people & acceptable)


class Promised(Policy):
    """Ours with a promise: what the evidence allows is accepted, of all items audits are drawn.

    As in the trainer a share of the items is held out from learning, by a draw of their own, and evidence for
    a release are those and what was decided after the decisions it was learned from.
    """

    def __init__(self, promise: Promise, held_out: Booleans) -> None:
        self._promise, self._held_out = promise, held_out
        self._gate = gates.begin(promise)
        self._threshold, self._rate = gates.NOTHING, 1.0
        self._release = 0
        self._audits: list[tuple[int, int, float]] = []
        """Row, number of the decision, audit rate."""
        self._count = 0

    def route(self, scores: Scores, draws: Floats) -> Routes:
        audited = draws < self._rate
        acceptable = self._acceptable(scores.confidence, scores.is_calibrated)
        people = audited | ~acceptable
        return Routes(people, audited, np.where(acceptable, self._rate, 1.0))

    def _acceptable(self, confidence: Floats, is_calibrated: bool) -> Booleans:
        acceptable: Booleans = (confidence >= self._threshold) & is_calibrated
        return acceptable

    def decided(self, decided: Decided) -> None:
        acceptable = self._acceptable(decided.scores.confidence, decided.scores.is_calibrated)
        audits = []
        for place in np.flatnonzero(decided.routes.people).tolist():
            if decided.routes.audited[place]:
                score, error = float(decided.scores.confidence[place]), bool(decided.wrong[place])
                audits.append(Audit(self._count, score, error, "", bool(acceptable[place]), self._rate))
                self._audits.append((int(decided.rows[place]), self._count, self._rate))
            self._count += 1
        self._gate = gates.observe(self._promise, self._gate, audits)
        self._publish()

    def released(self, watermark: int, rescore: Rescore) -> None:
        self._release += 1
        usable = [each for each in self._audits if each[1] >= watermark or self._held_out[each[0]]]
        confidence, wrong = rescore(np.array([row for row, _, _ in usable], np.int64))
        audits = [
            Audit(number, float(confidence[place]), bool(wrong[place]), "", accepted=False, rate=rate)
            for place, (_, number, rate) in enumerate(usable)
        ]
        self._gate = gates.new_release(self._promise, self._gate, self._release, audits)
        self._publish()

    def learns_from(self, rows: Integers) -> Integers:
        return rows[~self._held_out[rows]]

    def _publish(self) -> None:
        published = gates.acceptance(self._promise, self._gate)
        self._threshold, self._rate = floored(published.thresholds[0]).confidence, published.audit_rate


def _reviewed(propensity: Floats, draws: Floats) -> Routes:
    people = draws < propensity
    return Routes(people, np.zeros(len(draws), dtype=bool), propensity)
