"""What decisions teach of the voters together: reliabilities, and calibrators of what they pool to. Pure.

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
from labelmill.releases import Calibrator, Reliability
from numpy.typing import NDArray

from trainer import calibrating, reliabilities
from trainer.calibrating import Outcomes
from trainer.cast import Cast, Steps
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
    return Learned(trusted, _calibrators(pool, decided, steps))


def _calibrators(pool: Pool, decided: Decided, steps: Sequence[Steps]) -> list[Calibrator]:
    """Return a calibrator for each set of voters at any step of the cascade, where decisions suffice.

    Every step of a decision counts, not only the one it ended with: which that was depends on what was
    accepted at the time.
    """
    rows: defaultdict[tuple[str, ...], list[tuple[int, Sequence[Vote]]]] = defaultdict(list)
    for row, each in enumerate(steps):
        for votes in each.votes:
            rows[voter_set(votes)].append((row, votes))
    found = [
        calibrating.fit(voters, _outcomes(pool, decided, rows[voters]))
        for voters in sorted(rows)
        if len(rows[voters]) >= calibrating.MIN_DECISIONS
    ]
    return [calibrator for calibrator in found if calibrator is not None]


def _outcomes(pool: Pool, decided: Decided, rows: Sequence[tuple[int, Sequence[Vote]]]) -> Outcomes:
    opinions = [pool(votes) for _, votes in rows]
    numbers = [row for row, _ in rows]
    weights = decided.weights[numbers]
    return Outcomes(
        labels=[opinion.label for opinion in opinions],
        confidences=np.array([opinion.confidence for opinion in opinions]),
        right=np.array(
            [opinion.label == decided.labels[n] for opinion, n in zip(opinions, numbers, strict=True)]
        ),
        weights=weights / weights.mean(),
        groups=[decided.groups[number] for number in numbers],
    )
