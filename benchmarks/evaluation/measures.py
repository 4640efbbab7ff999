"""How good confidences are: calibration, and how well they tell right from wrong. Pure.

The calibration error is the trainer's own (`trainer.quality`): bins of as many items each.
"""

from dataclasses import asdict, dataclass

import numpy as np
from labelmill.quality import ReliabilityBin
from sklearn.metrics import roc_auc_score
from trainer import quality

from benchmarks.evaluation.data import Floats
from benchmarks.evaluation.streams import Booleans

COVERAGES = np.linspace(0.025, 1.0, 40)
"""Where risk-coverage curves are told."""
_FLOOR_DRAWS = 20


@dataclass(frozen=True)
class Measures:
    """`ece`: expected calibration error; `brier`: mean squared error of the confidence; `auroc`: how often
    something right has the higher confidence than something wrong; `aurc`: error of what is accepted from a
    confidence up, its mean over all shares that could be accepted (Geifman and El-Yaniv 2017)."""

    ece: float
    brier: float
    auroc: float
    aurc: float


def measures(confidences: Floats, right: Booleans) -> Measures:
    """Return the measures of confidences, shape (items,), given which of them were right."""
    return Measures(
        ece=calibration_error(confidences, right),
        brier=float(np.mean((confidences - right) ** 2)),
        auroc=float(roc_auc_score(right, confidences)) if 0 < right.sum() < len(right) else 0.5,
        aurc=float(risks(confidences, right).mean()),
    )


def mean(found: list[Measures]) -> Measures:
    """Return the mean of each measure."""
    rows = [tuple(asdict(each).values()) for each in found]
    return Measures(*(float(value) for value in np.mean(rows, axis=0)))


def calibration_error(confidences: Floats, right: Booleans) -> float:
    """Return the expected calibration error over ten bins of as many items each."""
    return quality.calibration_error(bins(confidences, right))


def bins(confidences: Floats, right: Booleans) -> list[ReliabilityBin]:
    """Return the bins of a reliability diagram, from low confidence to high."""
    return quality.reliability(quality.Judged(confidences, right, np.ones(len(right))))


def floor(confidences: Floats, random: np.random.Generator) -> float:
    """Return the calibration error that is measured, on average, if each confidence is exactly the
    probability of being right: what the noise of so many items in so many bins makes of nothing."""
    draws = [
        calibration_error(confidences, random.random(len(confidences)) < confidences)
        for _ in range(_FLOOR_DRAWS)
    ]
    return float(np.mean(draws))


def risks(confidences: Floats, right: Booleans) -> Floats:
    """Return the error of the surest 1, 2, ... items, shape (items,); items of one confidence count as in an
    order drawn at random, on average."""
    order = np.argsort(-confidences, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidences[order])), len(order) - 1)
    wrong = np.cumsum(~right[order])[ends]
    counts = np.arange(1, len(order) + 1)
    expected: Floats = np.interp(counts, np.append(0, ends + 1), np.append(0, wrong)) / counts
    return expected


def curve(confidences: Floats, right: Booleans) -> Floats:
    """Return the error of the surest share of the items at each of `COVERAGES`."""
    rows = np.maximum(np.round(COVERAGES * len(right)).astype(np.int64), 1) - 1
    found: Floats = risks(confidences, right)[rows]
    return found
