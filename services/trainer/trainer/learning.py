"""What decisions teach of the voters together: reliabilities, corrections of their pools, calibrators. Pure.

All of it is learned on the training side, where the student's votes are out-of-fold ones: its own on these
decisions would be too good, and the held-out side is evidence (see `calibrating`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from labelmill.events import Vote
from labelmill.kinds import kind_named
from labelmill.pooling import Pool, voter_set
from labelmill.projects import ProjectSpec
from labelmill.releases import Calibrator, Correction, Reliability
from numpy.typing import NDArray

from trainer import calibrating, correcting, reliabilities
from trainer.calibrating import Outcomes
from trainer.cast import Cast, Steps
from trainer.correcting import Pools
from trainer.reliabilities import Ballots

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Decided:
    """Decisions of the training side, row by row."""

    votes: Sequence[Sequence[Vote]]
    """As recorded; the student's are replaced."""
    shares: Floats | None
    """The student's out-of-fold probabilities, shape (decisions, classes), NaN where there are none."""
    labels: Sequence[str]
    weights: Floats
    groups: Sequence[str]


@dataclass(frozen=True)
class Learned:
    """What a release says of its voters."""

    reliabilities: dict[str, Reliability]
    corrections: list[Correction]
    calibrators: list[Calibrator]


def learn(spec: ProjectSpec, cast: Cast, decided: Decided) -> Learned:
    """Return what `decided` teaches of the voters of `cast`."""
    steps = [
        cast.steps(votes, None if decided.shares is None else decided.shares[row])
        for row, votes in enumerate(decided.votes)
    ]
    last = [each.votes[-1] if each.votes else [] for each in steps]
    trusted = reliabilities.fit(Ballots(cast.labels, last, decided.labels, decided.weights))
    pool = Pool(kind_named(spec.kind), cast.labels, trusted)
    corrections, calibrators = _measured(pool, cast.labels, decided, steps)
    return Learned(trusted, corrections, calibrators)


def _measured(
    pool: Pool, labels: Sequence[str], decided: Decided, steps: Sequence[Steps]
) -> tuple[list[Correction], list[Calibrator]]:
    """Return a correction and a calibrator of what is then pooled for each set of voters at any step of the
    cascade, where decisions suffice.

    Every step of a decision counts, not only the one it ended with: which that was depends on what was
    accepted at the time.
    """
    rows: defaultdict[tuple[str, ...], list[tuple[int, Sequence[Vote]]]] = defaultdict(list)
    for row, each in enumerate(steps):
        for votes in each.votes:
            rows[voter_set(votes)].append((row, votes))
    corrections: list[Correction | None] = []
    calibrators: list[Calibrator | None] = []
    for voters in sorted(rows):
        if len(rows[voters]) >= calibrating.MIN_DECISIONS:
            pools = _pools(pool, labels, decided, rows[voters])
            corrected = correcting.correct(voters, pools)
            corrections.append(corrected.correction)
            calibrators.append(calibrating.fit(voters, outcomes(pools, corrected.shares)))
    return [each for each in corrections if each], [each for each in calibrators if each]


def _pools(
    pool: Pool, labels: Sequence[str], decided: Decided, rows: Sequence[tuple[int, Sequence[Vote]]]
) -> Pools:
    numbers = [row for row, _ in rows]
    opinions = [pool(votes).probabilities for _, votes in rows]
    weights = decided.weights[numbers]
    return Pools(
        labels=labels,
        shares=np.array([[opinion.get(label, 0.0) for label in labels] for opinion in opinions], np.float64),
        truth=[decided.labels[number] for number in numbers],
        weights=weights / weights.mean(),
        groups=[decided.groups[number] for number in numbers],
    )


def outcomes(pools: Pools, corrected: Floats) -> Outcomes:
    """Return what the pools come to when they are `corrected`, shape (decisions, labels)."""
    named = [pools.labels[best] for best in corrected.argmax(axis=1)]
    return Outcomes(
        labels=named,
        confidences=corrected.max(axis=1),
        right=np.array([label == true for label, true in zip(named, pools.truth, strict=True)], np.bool_),
        weights=pools.weights,
        groups=pools.groups,
    )
