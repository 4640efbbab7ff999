import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill import student as arithmetic
from trainer.errors import NotEnough
from trainer.student import NEVER, Examples, fit, fit_and_predict, sure_threshold, wilson_lower

FLOATS = st.floats(0, 1)


def examples(
    count: int, classes: int = 2, *, noise: float = 0.0, seed: int = 0, spread: float = 0.6
) -> Examples:
    """Points around one centre a class, a share of `noise` with another label."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    centres = np.eye(classes, 16)
    vectors = centres[truth] + spread * rng.normal(size=(count, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    told = np.where(rng.random(count) < noise, (truth + 1) % classes, truth)
    return Examples(
        vectors.astype(np.float32),
        [f"c{number}" for number in told],
        [str(row) for row in range(count)],
        np.ones(count),
    )


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_it_learns_and_states_honest_confidences(classes: int) -> None:
    train, test = examples(600, classes, seed=1), examples(2000, classes, seed=2)
    model = fit(train, embedder="e", sure_accuracy=0.9)
    arithmetic.check(model, [f"c{number}" for number in range(classes)])
    shares = arithmetic.probabilities(model, test.vectors)
    right = np.array(model.classes)[shares.argmax(axis=1)] == np.array(test.labels)
    assert right.mean() > 0.65
    assert abs(shares.max(axis=1).mean() - right.mean()) < 0.05
    sure = shares.max(axis=1) >= model.sure_at
    assert sure.mean() > 0.05
    assert right[sure].mean() > 0.87


def test_the_same_examples_give_the_same_student() -> None:
    assert fit(examples(200), embedder="e", sure_accuracy=0.9) == fit(
        examples(200), embedder="e", sure_accuracy=0.9
    )


def test_weights_move_the_boundary() -> None:
    plain = examples(400, noise=0.3)
    heavy = np.where(np.array(plain.labels) == "c1", 10.0, 1.0)
    weighted = Examples(plain.vectors, plain.labels, plain.groups, heavy / heavy.mean())
    shares = [
        arithmetic.probabilities(fit(each, embedder="e", sure_accuracy=0.9), plain.vectors)[:, 1].mean()
        for each in (plain, weighted)
    ]
    assert shares[1] > shares[0] + 0.1


def test_near_duplicates_do_not_pass_for_evidence() -> None:
    """40 texts, ten times each, with labels by chance: nothing is predictable, so it is never sure."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=(40, 16)).astype(np.float32)
    labels = [f"c{number}" for number in rng.integers(0, 2, 40)]
    copied = Examples(
        np.repeat(base, 10, axis=0),
        [label for label in labels for _ in range(10)],
        [str(row) for row in range(40) for _ in range(10)],
        np.ones(400),
    )
    assert fit(copied, embedder="e", sure_accuracy=0.9).sure_at == NEVER


def test_noise_alone_is_never_sure() -> None:
    assert fit(examples(300, noise=0.5), embedder="e", sure_accuracy=0.9).sure_at == NEVER


def test_a_label_with_few_texts_is_not_learned() -> None:
    base = examples(100)
    rare = Examples(base.vectors, ["rare", *base.labels[1:]], base.groups, base.weights)
    assert fit(rare, embedder="e", sure_accuracy=0.9).classes == ["c0", "c1"]


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([], []), (["a"] * 20, [str(n) for n in range(20)]), (["a", "b"] * 20, ["x", "y"] * 20)],
)
def test_too_little_says_so(labels: list[str], groups: list[str]) -> None:
    lacking = Examples(np.zeros((len(labels), 4), np.float32), labels, groups, np.ones(len(labels)))
    with pytest.raises(NotEnough, match=r"^not enough: two labels"):
        fit(lacking, embedder="e", sure_accuracy=0.9)


@given(st.lists(st.tuples(FLOATS, st.booleans()), min_size=1, max_size=200), st.floats(0.5, 0.99))
def test_what_is_surely_right_is_right_often_enough(answers: list[tuple[float, bool]], wanted: float) -> None:
    confidence = np.array([each[0] for each in answers])
    right = np.array([each[1] for each in answers], np.float64)
    threshold = sure_threshold(confidence, right, np.ones(len(answers)), wanted)
    if threshold != NEVER:
        above = right[confidence >= threshold]
        assert above.mean() >= wanted
        assert wilson_lower(above.mean(), np.float64(len(above))) >= wanted  # type: ignore[arg-type]


def test_few_lucky_answers_prove_nothing() -> None:
    for count, sure in ((20, False), (52, True)):
        threshold = sure_threshold(np.full(count, 0.9), np.ones(count), np.ones(count), 0.95)
        assert (threshold < 1) is sure


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(1, 10_000))
def test_wilson_is_a_lower_end(share: float, trials: int) -> None:
    lower = float(wilson_lower(np.array(share), np.array(float(trials))))
    assert -1e-9 <= lower <= share + 1e-9


def test_what_a_student_predicts_of_its_own_examples_is_out_of_fold() -> None:
    rng = np.random.default_rng(0)
    # Labels that have nothing to do with the vectors: only a student that saw an example knows its label.
    vectors = rng.normal(size=(80, 60)).astype(np.float32)
    labels = ["a" if draw < 0.5 else "b" for draw in rng.random(80)]
    drawn = Examples(vectors, labels, [str(row) for row in range(80)], np.ones(80))

    model, out_of_fold = fit_and_predict(drawn, embedder="minilm", sure_accuracy=0.95)

    said = [model.classes[column] for column in out_of_fold.shares.argmax(axis=1)]
    right = np.mean([name == labels[row] for name, row in zip(said, out_of_fold.rows, strict=True)])
    assert out_of_fold.shares.shape == (80, 2)
    assert right < 0.7
