"""The whole loop on real items: `python -m benchmarks.evaluation.loop`.

Items arrive in batches. A policy says who decides them; what people decide is learned from as the trainer
does, and the next batches are scored by what was learned. People answer with one of an item's raters.

Final labels are what people decided, and the machine's for the rest, as it was when the item arrived. Beside
that stands what they would be if the machine labelled the rest anew at the end, when it has learned all it
will: a stream cannot wait for that, a fixed set of items can.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from labelmill.promise.gate import Promise
from rich.console import Console
from rich.progress import track
from trainer.weighting import FIT_RATIO, inverse_propensity

from benchmarks.evaluation import learning
from benchmarks.evaluation.data import NAMES, DataSet, Floats, Integers, load
from benchmarks.evaluation.learning import Machine
from benchmarks.evaluation.policies import (
    Calibrated,
    Decided,
    FixedThreshold,
    Policy,
    Promised,
    RandomReview,
    Routes,
    Scores,
)
from benchmarks.evaluation.streams import Booleans

BATCH = 25
FIRST, GROWTH = 100, 1.5
"""Decisions until the first training, and how many times more until the next."""
AUDIT_RATE = 0.02
HOLDOUT = 0.35
"""Share of the items held out from learning, as evidence for a promise."""
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
TARGET = {"bbc": 0.95}
"""Accuracy of final labels to reach; for other data sets that of one person."""
SEEDS = 5
RANDOM = "random_review"


@dataclass(frozen=True)
class Course:
    """How a stream went.

    `decisions` by people; `accepted` is the share of items that went to nobody, and `accepted_error` how many
    of these are wrong. `accuracy` is that of all final labels, `relabelled` the same with what went to nobody
    labelled anew at the end.
    """

    decisions: float
    accuracy: float
    relabelled: float
    accepted: float
    accepted_error: float


class Stream:
    """One data set in an order of its own, with one person's answer an item."""

    def __init__(self, data: DataSet, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.data = data.rows(random.permutation(len(data)))
        self.answers = self.data.decisions(random)
        self.draws = random.random(len(data))
        self.held_out: Booleans = random.random(len(data)) < HOLDOUT
        self.machine = Machine(len(data.labels))
        self._people = np.zeros(len(data), dtype=bool)
        self._order: list[int] = []
        self._propensity = np.ones(len(data))

    def run(self, policy: Policy) -> Course:
        """Send all items through."""
        data = self.data
        final = np.zeros(len(data), np.int64)
        next_training = FIRST
        for begin in range(0, len(data), BATCH):
            rows = np.arange(begin, min(begin + BATCH, len(data)))
            scores = self.scores(rows)
            routes = policy.route(scores, self.draws[rows])
            self._note(rows, routes)
            final[rows] = np.where(routes.people, self.answers[rows], scores.labels)
            wrong = scores.labels != self.answers[rows]
            policy.decided(Decided(rows, scores, routes, wrong))
            if len(self._order) >= next_training:
                next_training = int(len(self._order) * GROWTH)
                self.train(policy)
        return self._course(final)

    def scores(self, rows: Integers) -> Scores:
        """Return what the machine now says of some items."""
        llm = self.data.votes["logprobs"][rows]
        labels, confidence = self.machine.score(self.data.vectors[rows], llm)
        return Scores(labels, confidence, llm.max(axis=1), self.machine.calibrator is not None)

    def _note(self, rows: Integers, routes: Routes) -> None:
        self._people[rows] = routes.people
        self._propensity[rows] = routes.propensity
        self._order += rows[routes.people].tolist()

    def train(self, policy: Policy) -> None:
        """Learn from all that people have decided; the policy hears of the release."""
        rows = policy.learns_from(np.array(self._order, np.int64))
        decided = learning.Decided(
            vectors=self.data.vectors[rows],
            llm=self.data.votes["logprobs"][rows],
            labels=self.answers[rows],
            weights=inverse_propensity(self._propensity[rows].tolist(), FIT_RATIO),
        )
        self.machine = learning.learn(decided, len(self.data.labels))
        policy.released(len(self._order), self._rescored)

    def _rescored(self, rows: Integers) -> tuple[Floats, Booleans]:
        scores = self.scores(rows)
        return scores.confidence, scores.labels != self.answers[rows]

    def _course(self, final: Integers) -> Course:
        right, accepted = final == self.data.truth, ~self._people
        anew = final.copy()
        anew[accepted] = self.scores(np.flatnonzero(accepted)).labels
        return Course(
            decisions=float(self._people.sum()),
            accuracy=float(right.mean()),
            relabelled=float((anew == self.data.truth).mean()),
            accepted=float(accepted.mean()),
            accepted_error=float((~right[accepted]).mean()) if accepted.any() else 0.0,
        )


Make = Callable[[Stream], Policy]
"""Makes the policy of a stream."""


def target_of(data: DataSet) -> float:
    """Return the accuracy that final labels are to reach."""
    return TARGET.get(data.name, data.human_accuracy)


def promise_of(data: DataSet) -> Promise:
    """Return the promise that the accepted labels reach the target.

    How often people err on what is accepted is not measured here (an audit takes one of them), so that their
    slips count as the machine's: the safe side.
    """
    return Promise(target=round(1.0 - target_of(data), 4), audit_rate=AUDIT_RATE)


def _mean(courses: Sequence[Course]) -> Course:
    rows = [tuple(asdict(course).values()) for course in courses]
    return Course(*(float(value) for value in np.mean(rows, axis=0)))


def _courses(data: DataSet, seeds: int, make: Make) -> Course:
    courses = []
    for seed in range(seeds):
        stream = Stream(data, seed)
        courses.append(stream.run(make(stream)))
    return _mean(courses)


def decisions_for(accuracy: float, courses: Iterable[Course], alone: Course) -> float:
    """Return the decisions after which final labels are as accurate as that, between the courses by straight
    lines; those of people alone where no course gets there."""
    points = sorted((course.decisions, course.accuracy) for course in [*courses, alone])
    previous: tuple[float, float] | None = None
    for decisions, reached in points:
        if reached >= accuracy:
            if previous is None:
                return decisions
            share = (accuracy - previous[1]) / (reached - previous[1])
            return previous[0] + share * (decisions - previous[0])
        previous = (decisions, reached)
    return alone.decisions


def _random_review(share: float, _stream: Stream) -> Policy:
    return RandomReview(share)


def _ours(threshold: float, _stream: Stream) -> Policy:
    return Calibrated(threshold, AUDIT_RATE)


def evaluate(name: str, seeds: int = SEEDS) -> dict[str, Any]:
    """Return the courses of all policies on a data set, and the decisions each needs for the target."""
    data = load(name)
    jobs: list[tuple[str, float, Make]] = [
        ("people_alone", 1.0, lambda _stream: Policy()),
        ("fixed_threshold", 0.9, lambda _stream: FixedThreshold(0.9)),
        ("promised", promise_of(data).target, lambda stream: Promised(promise_of(data), stream.held_out)),
    ]
    jobs += [(RANDOM, share, partial(_random_review, share)) for share in SHARES]
    jobs += [("ours", threshold, partial(_ours, threshold)) for threshold in THRESHOLDS]
    found: dict[str, dict[float, Course]] = {}
    for policy, setting, make in track(jobs, description=f"loop {name}", console=Console(stderr=True)):
        found.setdefault(policy, {})[setting] = _courses(data, seeds, make)
    return {"items": len(data), "target": round(target_of(data), 4), "seeds": seeds, **_summary(data, found)}


def _needed(data: DataSet, courses: Mapping[str, Sequence[Course]], alone: Course) -> dict[str, float]:
    """Return the decisions for the target, and the share of those of random review that ours saves."""
    random, ours = (decisions_for(target_of(data), courses[policy], alone) for policy in (RANDOM, "ours"))
    return {
        "people_alone": round(alone.decisions),
        RANDOM: round(random),
        "ours": round(ours),
        "saving": round(1.0 - ours / random, 4),
    }


def _summary(data: DataSet, found: Mapping[str, Mapping[float, Course]]) -> dict[str, Any]:
    (alone,) = found["people_alone"].values()
    # People alone are as accurate as one person is, whatever these draws of them happened to be.
    best = max(alone.accuracy, target_of(data))
    alone = replace(alone, accuracy=best, relabelled=best)
    anew = {
        policy: [replace(course, accuracy=course.relabelled) for course in courses.values()]
        for policy, courses in found.items()
    }
    return {
        "decisions_needed": _needed(data, {name: list(each.values()) for name, each in found.items()}, alone),
        "decisions_needed_relabelled": _needed(data, anew, alone),
        "courses": [
            {"policy": policy, "setting": setting, **_rounded(course)}
            for policy, courses in found.items()
            for setting, course in courses.items()
        ],
    }


def _rounded(course: Course) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(course).items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    print(json.dumps({name: evaluate(name, options.seeds) for name in options.names}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
