"""The student's arithmetic, shared by the trainer that fits it and the autolabeler that uses it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelmill.errors import InvalidRecord
from labelmill.releases import StudentModel

_FLOAT32 = np.dtype("<f4")

Floats = NDArray[np.float32] | NDArray[np.float64]


def pack(values: Floats) -> bytes:
    """Return an array as little-endian float32, row-major: the form of StudentModel.weights and bias."""
    return np.ascontiguousarray(values, _FLOAT32).tobytes()


def weights_of(model: StudentModel) -> NDArray[np.float32]:
    """Return the weights, shape (classes, dimensions). Raises InvalidRecord (`invalid_student`)."""
    return _unpacked(model.weights, len(model.classes), model.dimensions)


def bias_of(model: StudentModel) -> NDArray[np.float32]:
    """Return the bias, shape (classes,). Raises InvalidRecord (`invalid_student`)."""
    return _unpacked(model.bias, len(model.classes), 1)[:, 0]


def logits(model: StudentModel, embeddings: Floats) -> NDArray[np.float32]:
    """Return raw scores, shape (texts, classes), before the temperature. Raises InvalidRecord."""
    if embeddings.ndim != 2 or embeddings.shape[1] != model.dimensions:
        raise _invalid(f"embeddings of shape {embeddings.shape} do not fit {model.dimensions} dimensions")
    scores: NDArray[np.float32] = embeddings.astype(np.float32) @ weights_of(model).T + bias_of(model)
    return scores


def probabilities(model: StudentModel, embeddings: Floats) -> NDArray[np.float64]:
    """Return the probability of each class, shape (texts, classes), rows summing to 1.

    Raises:
        InvalidRecord: `invalid_student`, if the sizes do not agree or the temperature is not positive.
    """
    if not model.temperature > 0:
        raise _invalid(f"temperature {model.temperature} is not positive")
    scores = logits(model, embeddings).astype(np.float64) / model.temperature
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def check(model: StudentModel, labels: Sequence[str]) -> None:
    """Refuse a student whose sizes do not agree or that knows other labels than the project.

    A class may be missing (nobody decided for it yet); its probability is then 0.
    Raises InvalidRecord (`invalid_student`).
    """
    unknown = set(model.classes) - set(labels)
    if unknown or len(set(model.classes)) != len(model.classes) or len(model.classes) < 2:
        raise _invalid(f"classes {model.classes} do not fit the labels {list(labels)}")
    probabilities(model, np.zeros((1, model.dimensions), np.float32))


def _unpacked(data: bytes, rows: int, columns: int) -> NDArray[np.float32]:
    if len(data) != rows * columns * _FLOAT32.itemsize:
        raise _invalid(f"{len(data)} bytes are not {rows} x {columns} float32 values")
    return np.frombuffer(data, _FLOAT32).reshape(rows, columns)


def _invalid(detail: str) -> InvalidRecord:
    return InvalidRecord("invalid_student", detail)
