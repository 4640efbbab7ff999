"""Does the promise hold on hundreds of streams? `python -m benchmarks.evaluation.promise`.

Items arrive in batches. The threshold and the audit rate that were published last decide which are accepted,
which are audited and which go to people. People decide with a lag and not in order of arrival; their
decisions go to the gate, whose answer holds for the batches after. A stream is broken if more of its
accepted labels are wrong than was promised. Of a shifted stream, what was accepted from the shift until the
monitor had its stated number of audits (or raised the alarm, if that was sooner) does not count.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from labelmill.acceptance import floored
from labelmill.promise import gate as gates
from labelmill.promise import monitor
from labelmill.promise.gate import Audit, Gate, Promise
from rich.console import Console
from rich.progress import track
from scipy.stats import binom

from benchmarks.evaluation.streams import SIMULATED, Booleans, Maker, Stream, real

BATCH = 100
"""Items that arrive between two looks at the newest decisions."""
LAG = 2
"""Batches, at most, until people have decided an item."""
PROMISE = Promise(target=0.02, confidence=0.95)
EASY = "well_calibrated"
VOTES = Path(__file__).parent / "votes"


@dataclass(frozen=True)
class Outcome:
    """What became of a stream. Shares are of all its items; `error` is that of what counts as accepted."""

    kind: str
    accepted: float
    people: float
    audits: float
    alarms: int
    error: float
    exempt: float = 0.0

    @property
    def broken(self) -> bool:
        return self.error > PROMISE.target


@dataclass
class Run:
    """A stream on its way through the gate."""

    stream: Stream
    promise: Promise
    random: np.random.Generator
    gate: Gate
    threshold: float = gates.NOTHING
    rate: float = 1.0
    accepted: Booleans = field(init=False)
    audited: Booleans = field(init=False)
    waiting: list[tuple[int, int, Audit]] = field(default_factory=list)
    decided: int = 0
    watched: int = 0
    """Audits of what is accepted that were decided, of items since the shift."""
    stated: int | None = None
    exempt_until: int | None = None

    def __post_init__(self) -> None:
        self.accepted = np.zeros(len(self.stream.score), dtype=bool)
        self.audited = np.zeros(len(self.stream.score), dtype=bool)

    def batch(self, begin: int) -> None:
        """Route the items of one batch and take in the decisions that are due."""
        items = slice(begin, begin + BATCH)
        if self.stream.shift == begin:
            self._shift(begin)
        score = self.stream.score[items]
        drawn = self.random.random(len(score)) < self.rate
        acceptable = score >= self.threshold
        self.accepted[items] = acceptable & ~drawn
        self.audited[items] = drawn
        for place in np.flatnonzero(drawn).tolist():
            item = begin + place
            due = begin // BATCH + int(self.random.integers(0, LAG + 1))
            audit = Audit(
                seq=-1,
                score=float(score[place]),
                error=bool(self.stream.wrong[item]),
                accepted=bool(acceptable[place]),
                rate=self.rate,
            )
            self.waiting.append((due, item, audit))
        self._decide(begin)

    def _decide(self, begin: int) -> None:
        due = [each for each in self.waiting if each[0] <= begin // BATCH]
        if not due:
            return
        self.waiting = [each for each in self.waiting if each[0] > begin // BATCH]
        audits = [audit._replace(seq=self.decided + n) for n, (_, _, audit) in enumerate(due)]
        self.decided += len(due)
        before = self.gate.alarms
        self.gate = gates.observe(self.promise, self.gate, audits)
        published = gates.acceptance(self.promise, self.gate)
        self.threshold, self.rate = floored(published.thresholds[0]).confidence, published.audit_rate
        if self.stated is not None and self.exempt_until is None:
            shift = self.stream.shift or 0
            self.watched += sum(item >= shift and audit.accepted for _, item, audit in due)
            if self.watched >= self.stated or self.gate.alarms > before:
                self.exempt_until = begin + BATCH

    def _shift(self, begin: int) -> None:
        """Look up how many audits the monitor may take, at the error rate of what is accepted from here."""
        risk = self.stream.risk[begin:][self.stream.score[begin:] >= self.threshold]
        error = float(risk.mean()) if len(risk) else 0.0
        if error > self.gate.target:
            # Rounded to the lower side, so that equal cases are looked up once.
            after = self.gate.watch.audits // 100 * 100
            stated = monitor.audits_to_alarm(self.gate.target, round(error, 2), self.promise.alpha, after)
            self.stated = len(self.stream.score) if stated is None else stated


def run(stream: Stream, promise: Promise, random: np.random.Generator) -> Outcome:
    """Return what becomes of a stream."""
    course = Run(stream, promise, random, gates.begin(promise))
    for begin in range(0, len(stream.score), BATCH):
        course.batch(begin)
    counts = course.accepted.copy()
    if stream.shift is not None and course.stated is not None:
        counts[stream.shift : course.exempt_until] = False
    return Outcome(
        kind=stream.kind,
        accepted=float(course.accepted.mean()),
        people=float(1.0 - course.accepted.mean()),
        audits=float(course.audited.sum()),
        alarms=course.gate.alarms,
        error=float(stream.wrong[counts].mean()) if counts.any() else 0.0,
        exempt=float(course.accepted.mean() - counts.mean()),
    )


def simulate(
    makers: Mapping[str, Maker], streams: int, promise: Promise = PROMISE, seed: int = 0
) -> list[Outcome]:
    """Return the outcomes of `streams` streams of each kind, with a progress bar."""
    jobs = [(kind, number) for kind in makers for number in range(streams)]
    outcomes = []
    for kind, number in track(jobs, description="streams", console=Console(stderr=True)):
        random = np.random.default_rng([seed, sorted(makers).index(kind), number])
        outcomes.append(run(makers[kind](random), promise, random))
    return outcomes


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the figures the evaluation keeps: overall and for each kind."""
    kinds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        kinds.setdefault(outcome.kind, []).append(outcome)
    return {
        "streams": len(outcomes),
        "target": PROMISE.target,
        "confidence": PROMISE.confidence,
        "broken_share": _mean(o.broken for o in outcomes),
        "broken_allowed": allowed(len(outcomes)),
        "easy_coverage": _mean(o.accepted for o in kinds.get(EASY, [])),
        "kinds": {kind: _figures_of(own) for kind, own in kinds.items()},
    }


def allowed(streams: int) -> float:
    """Return the share of broken streams that chance exceeds once in 100, if 1 - confidence break."""
    return round(float(binom.ppf(0.99, streams, PROMISE.alpha)) / max(streams, 1), 4)


def _figures_of(outcomes: Sequence[Outcome]) -> dict[str, float]:
    return {
        "streams": len(outcomes),
        "broken_share": _mean(o.broken for o in outcomes),
        "broken_allowed": allowed(len(outcomes)),
        "error": _mean(o.error for o in outcomes),
        "worst_error": round(max(o.error for o in outcomes), 5),
        "accepted": _mean(o.accepted for o in outcomes),
        "people": _mean(o.people for o in outcomes),
        "audits": _mean(o.audits for o in outcomes),
        "alarms": _mean(o.alarms for o in outcomes),
        "exempt": _mean(o.exempt for o in outcomes),
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return round(sum(listed) / len(listed), 5) if listed else 0.0


def _table(found: dict[str, Any]) -> str:
    columns = ("streams", "broken_share", "error", "worst_error", "accepted", "audits", "alarms")
    head = f"{'kind':<16}" + "".join(f"{column:>14}" for column in columns)
    rows = [
        f"{kind:<16}" + "".join(f"{row[column]:>14.4g}" for column in columns)
        for kind, row in found["kinds"].items()
    ]
    return "\n".join([head, *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="streams of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.perf_counter()
    found = figures(simulate({**SIMULATED, **real(VOTES)}, options.streams, seed=options.seed))
    found["seconds"] = round(time.perf_counter() - begun, 1)
    print(_table(found), file=sys.stderr)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
