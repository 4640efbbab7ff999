"""How honest confidences are, and what they tell apart: `python -m benchmarks.evaluation.confidence`.

People decide `DECISIONS` items drawn at random, each with one rater's answer. The student is fitted and each
source is calibrated on these; all is judged on the other items. The LLM's sources are judged on those of the
other items that the LLM was asked about and answered with a label. What is calibrated for, and can be seen in
a running system, is agreement with a decision of people; agreement with the truth is told beside it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.evaluation import learning, measures
from benchmarks.evaluation.data import NAMES, SOURCES, DataSet, Floats, Integers, load
from benchmarks.evaluation.learning import STUDENT, Decided, Machine
from benchmarks.evaluation.streams import Booleans

DECISIONS = 300
SEEDS = 20
POOLED = "pooled"
"""The system's own confidence: LLM and student, weighed by reliabilities and corrected."""
STAGES = ("before", "after")
"""Of calibration."""


@dataclass(frozen=True)
class Judged:
    """What a source said of items that nothing was fitted on; arrays have shape (items,)."""

    before: Floats
    after: Floats
    decided: Booleans
    """Whether the label is the one a person decided."""
    true: Booleans

    def confidences(self, stage: str) -> Floats:
        return self.before if stage == "before" else self.after

    def right(self, judge: str) -> Booleans:
        return self.decided if judge == "people" else self.true


@dataclass(frozen=True)
class Draw:
    """A data set in an order drawn at random, with a decision of people an item."""

    data: DataSet
    answers: Integers

    @classmethod
    def of(cls, data: DataSet, random: np.random.Generator) -> "Draw":
        shuffled = data.rows(random.permutation(len(data)))
        return cls(shuffled, shuffled.decisions(random))

    def judged(self, source: str) -> Judged:
        """Return what a source, learned from the first decisions, says of the other items."""
        if source == POOLED:
            return self._pooled()
        if source == STUDENT:
            return self._student()
        return self._llm(source)

    def _pooled(self) -> Judged:
        learned, others = self._parts("logprobs")
        machine = learning.learn(learned, len(self.data.labels))
        llm = self.data.votes["logprobs"][others]
        return self._judged(
            machine, machine.pooled(llm, machine.student_shares(self.data.vectors[others])), others
        )

    def _student(self) -> Judged:
        learned, others = self._parts("logprobs")
        model, out_of_fold = learning.fit_student(learned, len(self.data.labels))
        assert model is not None, "the decisions are enough for a student"
        assert out_of_fold is not None
        calibrator = learning.calibrator_of(out_of_fold, learned)
        machine = Machine(len(self.data.labels), model, calibrator=calibrator)
        shares = learning.shares_of(model, self.data.vectors[others], machine.options)
        return self._judged(machine, shares, others)

    def _llm(self, source: str) -> Judged:
        learned, others = self._parts(source)
        machine = Machine(len(self.data.labels), calibrator=learning.calibrator_of(learned.llm, learned))
        return self._judged(machine, self.data.votes[source][others], others)

    def _parts(self, source: str) -> tuple[Decided, Integers]:
        """Return decisions to learn from, and the rows of the other items that have a vote of the source."""
        votes = self.data.votes[source]
        answered = np.flatnonzero(~np.isnan(votes[:, 0]))
        rows, others = answered[:DECISIONS], answered[DECISIONS:]
        decided = Decided(self.data.vectors[rows], votes[rows], self.answers[rows], np.ones(len(rows)))
        return decided, others

    def _judged(self, machine: Machine, shares: Floats, rows: Integers) -> Judged:
        labels = shares.argmax(axis=1)
        return Judged(
            before=shares.max(axis=1),
            after=machine.calibrated(shares),
            decided=labels == self.answers[rows],
            true=labels == self.data.truth[rows],
        )


def evaluate(name: str, seeds: int = SEEDS) -> dict[str, Any]:
    """Return what every source's confidences are worth on a data set, before and after calibration."""
    data = load(name)
    found: dict[str, list[Judged]] = {source: [] for source in (POOLED, STUDENT, *SOURCES)}
    for seed in track(range(seeds), description=f"confidence {name}", console=Console(stderr=True)):
        draw = Draw.of(data, np.random.default_rng(seed))
        for source, judged in found.items():
            judged.append(draw.judged(source))
    return {
        "items": len(data),
        "decisions": DECISIONS,
        "seeds": seeds,
        "people_accuracy": round(data.human_accuracy, 4),
        "coverages": measures.COVERAGES.round(3).tolist(),
        "sources": {source: _figures(judged) for source, judged in found.items()},
    }


def _figures(judged: Sequence[Judged]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    errors = [measures.calibration_error(each.after, each.decided) for each in judged]
    floors = [measures.floor(each.after, random) for each in judged]
    return {
        "judged": len(judged[0].after),
        "ece_floor": round(float(np.mean(floors)), 4),
        "ece_after_by_seed": np.sort(errors).round(4).tolist(),
        **{judge: _measured(judged, judge) for judge in ("people", "truth")},
        "reliability": {stage: _reliability(judged, stage) for stage in STAGES},
        "risk_coverage": {stage: _curve(judged, stage) for stage in STAGES},
    }


def _measured(judged: Sequence[Judged], judge: str) -> dict[str, Any]:
    """Return the accuracy, and the measures before and after, against people or the truth."""
    found: dict[str, Any] = {
        "accuracy": round(float(np.mean([each.right(judge).mean() for each in judged])), 4)
    }
    for stage in STAGES:
        each_seed = [measures.measures(each.confidences(stage), each.right(judge)) for each in judged]
        found[stage] = {key: round(value, 4) for key, value in asdict(measures.mean(each_seed)).items()}
    return found


def _reliability(judged: Sequence[Judged], stage: str) -> list[dict[str, float]]:
    """Return the bins against people's decisions: means over the seeds, and between which accuracies eight of
    ten seeds lie."""
    seeds = [measures.bins(each.confidences(stage), each.decided) for each in judged]
    told = []
    for several in zip(*seeds, strict=True):
        shares = [each.accuracy for each in several]
        low, high = np.quantile(shares, [0.1, 0.9])
        told.append(
            {
                "confidence": round(float(np.mean([each.confidence for each in several])), 4),
                "accuracy": round(float(np.mean(shares)), 4),
                "low": round(float(low), 4),
                "high": round(float(high), 4),
            }
        )
    return told


def _curve(judged: Sequence[Judged], stage: str) -> list[float]:
    """Return the share of true errors among what is accepted at each coverage, the mean over the seeds."""
    curves = [measures.curve(each.confidences(stage), each.true) for each in judged]
    risks: list[float] = np.mean(curves, axis=0).round(4).tolist()
    return risks


def table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table for a terminal."""
    yield f"{'':<18}{'accuracy':>10}{'ECE before':>12}{'ECE after':>11}{'floor':>8}{'AUROC':>8}{'AURC':>8}"
    for name, figures in found.items():
        for source, each in figures["sources"].items():
            people, truth = each["people"], each["truth"]
            yield (
                f"{name + ' ' + source:<18}{truth['accuracy']:>10.3f}{people['before']['ece']:>12.3f}"
                f"{people['after']['ece']:>11.3f}{each['ece_floor']:>8.3f}{truth['after']['auroc']:>8.3f}{truth['after']['aurc']:>8.3f}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    found = {name: evaluate(name, options.seeds) for name in options.names}
    print("\n".join(table(found)), file=sys.stderr)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
