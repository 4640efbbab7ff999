"""The student's arithmetic."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labelmill.errors import InvalidRecord
from labelmill.releases import StudentModel
from labelmill.student import bias_of, check, pack, probabilities, weights_of

MODEL = StudentModel(
    embedder="e",
    dimensions=3,
    classes=["no", "yes"],
    weights=pack(np.array([[0, 0, 0], [1, 2, 3]], np.float64)),
    bias=pack(np.array([0.5, 0.0])),
    temperature=2.0,
    sure_at=0.9,
)


def test_is_softmax_of_the_scaled_scores() -> None:
    (row,) = probabilities(MODEL, np.array([[1.0, 0.0, 1.0]]))
    no, yes = np.exp(0.5 / 2), np.exp(4 / 2)
    assert row == pytest.approx([no / (no + yes), yes / (no + yes)])


@given(arrays(np.float32, (4, 3), elements=st.floats(-1, 1, width=32)))
def test_rows_are_distributions(embeddings: np.ndarray) -> None:
    shares = probabilities(MODEL, embeddings)
    assert np.all(shares >= 0)
    assert np.allclose(shares.sum(axis=1), 1)


def test_pack_and_unpack_agree() -> None:
    assert weights_of(MODEL).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert bias_of(MODEL).tolist() == [0.5, 0.0]


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": 4},
        {"bias": b""},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"classes": ["no", "ja"]},
    ],
)
def test_check_refuses_a_model_that_does_not_fit(change: dict[str, object]) -> None:
    with pytest.raises(InvalidRecord, match="invalid_student"):
        check(msgspec.structs.replace(MODEL, **change), ["yes", "no"])


def test_check_takes_a_model_that_fits_and_one_that_has_not_seen_every_label() -> None:
    check(MODEL, ["yes", "no"])
    check(MODEL, ["yes", "no", "maybe"])
