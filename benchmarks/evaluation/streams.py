"""Simulated streams of scored labels, on which a promise can be held to what was promised.

Each stream gives every item a score, the probability that its label is wrong, and whether it is. What makes
a kind hard is how the two are related, which the gate does not know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Random = np.random.Generator

ITEMS = 20_000


@dataclass(frozen=True)
class Stream:
    """Items in the order of their arrival; arrays have shape (items,).

    `risk`: probability that the label is wrong; `wrong`: whether it is. `shift`: the item with which the
    machine turns worse, None if it never does.
    """

    kind: str
    score: Floats
    risk: Floats
    wrong: Booleans
    shift: int | None = None


Maker = Callable[[Random], Stream]


def well_calibrated(random: Random) -> Stream:
    """Easy: the score is the probability of being right, 3 to 6% are wrong, most of them with low scores."""
    risk = _risks(random, random.uniform(0.03, 0.06))
    return _stream("well_calibrated", random, 1.0 - risk, risk)


def overconfident(random: Random) -> Stream:
    """6 to 20% are wrong, and the score's log-odds are two to four times too large, with noise."""
    risk = _risks(random, random.uniform(0.06, 0.2))
    return _stream("overconfident", random, _overstated(random, risk), risk)


def shifted(random: Random) -> Stream:
    """Well calibrated until halfway; then wrong labels are 3 to 15 times as likely, and scores stay."""
    early = well_calibrated(random)
    half = ITEMS // 2
    risk = early.risk.copy()
    risk[half:] = np.minimum(0.9, risk[half:] * random.uniform(3.0, 15.0) + random.uniform(0.0, 0.2))
    return replace(_stream("shifted", random, early.score, risk), shift=half)


def rare_classes(random: Random) -> Stream:
    """Twelve classes, each about two thirds as frequent as the one before; the rarer half is mostly wrong.

    The machine is as sure of them as of the others, so that no threshold keeps them out.
    """
    share = 0.65 ** np.arange(12)
    label = random.choice(12, size=ITEMS, p=share / share.sum())
    easy = _risks(random, random.uniform(0.02, 0.05))
    risk = np.where(label < 7, easy, random.uniform(0.3, 0.7))
    score = 1.0 - np.where(label < 7, easy, _risks(random, 0.05))
    return _stream("rare_classes", random, score, risk)


def easy_start(random: Random) -> Stream:
    """No error at all in the first 300 to 4,000 items, whatever their score; overconfident from then on."""
    later = overconfident(random)
    risk = later.risk.copy()
    risk[: random.integers(300, 4000)] = 0.0
    return _stream("easy_start", random, later.score, risk)


def resampled(confidence: Floats, correct: Booleans, kind: str = "real_votes") -> Maker:
    """Return a maker of streams that draw real votes with replacement.

    `confidence`: the pooled confidence of each item, `correct`: whether its label is true; shape (votes,).
    """

    def make(random: Random) -> Stream:
        drawn = random.integers(0, len(confidence), ITEMS)
        wrong = ~correct[drawn]
        return Stream(kind, confidence[drawn].astype(float), wrong.astype(float), wrong)

    return make


SIMULATED: Mapping[str, Maker] = {
    "well_calibrated": well_calibrated,
    "overconfident": overconfident,
    "shifted": shifted,
    "rare_classes": rare_classes,
    "easy_start": easy_start,
}


def real(folder: Path) -> dict[str, Maker]:
    """Return a maker for each `NAME_real.npz` (arrays `confidence` and `correct`) in `folder`."""
    makers = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as votes:
            if {"confidence", "correct"} <= set(votes.files):
                makers[path.stem] = resampled(votes["confidence"], votes["correct"].astype(bool), path.stem)
    return makers


def _risks(random: Random, mean: float) -> Floats:
    """Return error probabilities of mean `mean`, at most one half: half a beta, most of it close to 0."""
    shape = 0.25
    return 0.5 * random.beta(shape, shape * (0.5 / mean - 1.0), ITEMS)


def _overstated(random: Random, risk: Floats) -> Floats:
    clipped = np.clip(risk, 1e-9, 0.5)
    log_odds = np.log((1.0 - clipped) / clipped)
    noisy = log_odds * random.uniform(2.0, 4.0) + random.normal(0.0, 1.5, len(risk))
    return 1.0 / (1.0 + np.exp(-np.abs(noisy)))


def _stream(kind: str, random: Random, score: Floats, risk: Floats) -> Stream:
    return Stream(kind, score, risk, random.random(len(risk)) < risk)
