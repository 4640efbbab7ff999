"""What the trainer and the autolabeler do with decisions, on arrays: student, pool, calibration. Pure.

The student is fitted by `trainer.student`, pooled by `labelmill.pooling` under reliabilities from
`trainer.reliabilities`, and calibrated by `trainer.calibrating`, as in the running system.
"""

import numpy as np
from labelmill.embedding import MINILM
from labelmill.releases import StudentModel
from labelmill.student import probabilities
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from trainer import student
from trainer.errors import NotEnough

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FOLDS = 5


def fit_student(
    vectors: NDArray[np.float32], decided: Integers, options: int, weights: Floats | None = None
) -> StudentModel | None:
    """Return the student of some decisions; None if they are too few."""
    names = [str(number) for number in range(options)]
    try:
        return student.fit(
            student.Examples(
                vectors=vectors,
                labels=[names[number] for number in decided],
                groups=[str(row) for row in range(len(decided))],
                weights=np.ones(len(decided)) if weights is None else weights,
            ),
            embedder=MINILM,
            sure_accuracy=0.95,
        )
    except NotEnough:
        return None


def student_shares(model: StudentModel, vectors: NDArray[np.float32], options: int) -> Floats:
    """Return the student's distribution, shape (items, options)."""
    shares = np.zeros((len(vectors), options))
    shares[:, [int(name) for name in model.classes]] = probabilities(model, vectors)
    return shares


def cross_fitted(vectors: NDArray[np.float32], decided: Integers, options: int, folds: int = FOLDS) -> Floats:
    """Return each decided item's distribution by a student that was fitted without it, shape (items,
    options); even where no student could be."""
    shares = np.full((len(decided), options), 1 / options)
    rarest = np.bincount(decided, minlength=options)
    splitter = StratifiedKFold(
        min(folds, max(2, int(rarest[rarest > 0].min()))), shuffle=True, random_state=0
    )
    for train, test in splitter.split(vectors, decided):
        model = fit_student(vectors[train], decided[train], options)
        if model is not None:
            shares[test] = student_shares(model, vectors[test], options)
    return shares
