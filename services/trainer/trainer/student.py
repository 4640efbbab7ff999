"""Fitting a student: logistic regression on embeddings, with honest confidences. Pure.

Everything that is chosen (C, the temperature, the confidence from which the student is sure) is chosen on
out-of-fold predictions of the training side: held-out decisions take no part.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from labelmill.releases import StudentModel
from labelmill.student import pack
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, ndtri
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from trainer.errors import NotEnough
from trainer.weighting import effective_size

FOLDS = 5
MIN_TEXTS_A_CLASS = 5
"""Labels with fewer different texts are not learned: no fold could test them."""
NEVER = 2.0
"""`sure_at` of a student that may never answer alone: no confidence reaches it."""

_C_GRID = tuple(float(c) for c in np.logspace(-1, 2, 10))
_MAX_ITERATIONS = 500
_MAX_CHOOSING = 10_000
"""C, temperature and sureness are chosen on at most this many decisions: more change nothing but the time."""
_SURE_CONFIDENCE = 0.95
_LOGIT_FLOOR = -30.0
"""Score of a class that a fold's training part lacks."""
_TEMPERATURES = (0.05, 20.0)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Training decisions, row by row."""

    vectors: NDArray[np.float32]
    """Shape (decisions, dimensions)."""
    labels: Sequence[str]
    groups: Sequence[str]
    """Near duplicates share a group, and a group never straddles two folds."""
    weights: Floats


@dataclass(frozen=True)
class _Data:
    """The learnable examples, with class numbers for labels."""

    vectors: NDArray[np.float32]
    truth: Integers
    groups: NDArray[np.str_]
    weights: Floats

    def rows(self, rows: Integers) -> "_Data":
        return _Data(self.vectors[rows], self.truth[rows], self.groups[rows], self.weights[rows])


@dataclass(frozen=True)
class _Predictions:
    """Out-of-fold scores, shape (decisions, classes), with the truth as class numbers."""

    scores: Floats
    truth: Integers
    weights: Floats


@dataclass(frozen=True)
class OutOfFold:
    """What students that were fitted without them say of a student's own examples: honest, unlike its own
    votes on them."""

    rows: Integers
    """Numbers of the examples; rare labels and more than _MAX_CHOOSING examples are not all predicted."""
    shares: Floats
    """Probabilities of the student's classes, shape (rows, classes)."""


@dataclass(frozen=True)
class _Choice:
    """A C with its best temperature, its log loss (nats a decision) and that loss's standard error."""

    c: float
    temperature: float
    loss: float
    loss_error: float
    predictions: _Predictions


def fit(examples: Examples, *, embedder: str, sure_accuracy: float, seed: int = 0) -> StudentModel:
    """Return the student of `examples`; the same examples and seed give the same student.

    Raises:
        NotEnough: fewer than two labels have MIN_TEXTS_A_CLASS different texts.
    """
    return fit_and_predict(examples, embedder=embedder, sure_accuracy=sure_accuracy, seed=seed)[0]


def fit_and_predict(
    examples: Examples, *, embedder: str, sure_accuracy: float, seed: int = 0
) -> tuple[StudentModel, OutOfFold]:
    """Return the student as `fit` does, and its out-of-fold predictions. Raises NotEnough."""
    classes, kept = _learnable(examples)
    numbers = {name: number for number, name in enumerate(classes)}
    truth = np.array([numbers[examples.labels[row]] for row in kept], np.int64)
    groups = np.array([examples.groups[row] for row in kept])
    data = _Data(examples.vectors[kept], truth, groups, examples.weights[kept])
    # Matrices this small are slower on several threads than on one, a hundredfold on a busy machine.
    with threadpool_limits(1):
        choosing = _choosing_rows(len(kept), seed)
        chosen = _choose(data.rows(choosing), len(classes), seed)
        model = _regression(chosen.c).fit(data.vectors, truth, sample_weight=data.weights)
    weight_rows, bias = _coefficients(model, len(classes))
    student = StudentModel(
        embedder=embedder,
        dimensions=data.vectors.shape[1],
        classes=classes,
        weights=pack(weight_rows),
        bias=pack(bias),
        temperature=chosen.temperature,
        sure_at=_sure_at(chosen.predictions, chosen.temperature, sure_accuracy),
    )
    return student, OutOfFold(kept[choosing], _shares(chosen.predictions, chosen.temperature))


def sure_threshold(confidence: Floats, correct: Floats, weights: Floats, sure_accuracy: float) -> float:
    """Return the lowest confidence at and above which accuracy is surely at least `sure_accuracy`.

    Surely: the lower end of a one-sided 95% Wilson interval, with the weights' effective sample size in
    place of the count, so a handful of lucky answers proves nothing. NEVER if no confidence will do.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, right, weight = confidence[order], correct[order], weights[order]
    total, squares = np.cumsum(weight), np.cumsum(weight * weight)
    lower = wilson_lower(np.cumsum(weight * right) / total, total * total / squares)
    last_of_ties = np.append(ranked[1:] < ranked[:-1], True)
    passing = np.flatnonzero((lower >= sure_accuracy) & last_of_ties)
    return float(ranked[passing[-1]]) if len(passing) else NEVER


def wilson_lower(share: Floats, trials: Floats, confidence: float = _SURE_CONFIDENCE) -> Floats:
    """Return the lower end of the one-sided Wilson score interval (Wilson 1927) for `share` of `trials`."""
    z = float(ndtri(confidence))
    centre = share + z * z / (2 * trials)
    spread = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    lower: Floats = (centre - spread) / (1 + z * z / trials)
    return lower


def _learnable(examples: Examples) -> tuple[list[str], Integers]:
    texts = Counter(label for label, _ in set(zip(examples.labels, examples.groups, strict=True)))
    classes = sorted(label for label, count in texts.items() if count >= MIN_TEXTS_A_CLASS)
    if len(classes) < 2:
        found = ", ".join(f"{label} {count}" for label, count in sorted(texts.items())) or "none"
        raise NotEnough(
            f"not enough: two labels with {MIN_TEXTS_A_CLASS} different texts each are needed to train; "
            f"there are {found}"
        )
    kept = np.array([row for row, label in enumerate(examples.labels) if label in classes], np.int64)
    return classes, kept


def _choosing_rows(count: int, seed: int) -> Integers:
    if count <= _MAX_CHOOSING:
        return np.arange(count, dtype=np.int64)
    drawn: Integers = np.sort(np.random.default_rng(seed).choice(count, _MAX_CHOOSING, replace=False))
    return drawn


def _choose(data: _Data, classes: int, seed: int) -> _Choice:
    """Return the smallest C whose out-of-fold log loss is within a standard error of the least.

    This one-standard-error rule (Breiman et al. 1984) keeps small datasets from large, overfitting C: on
    500 noisily labelled tweets it gains 2 points of accuracy over the plain minimum.
    """
    vectors, truth, weights = data.vectors, data.truth, data.weights
    folds = list(_folds(truth, data.groups, seed))
    choices = []
    for c in _C_GRID:
        scores = np.full((len(truth), classes), _LOGIT_FLOOR)
        for train, test in folds:
            model = _regression(c).fit(vectors[train], truth[train], sample_weight=weights[train])
            scores[np.ix_(test, model.classes_)] = _scores(model, vectors[test])
        choices.append(_tempered(c, _Predictions(scores, truth, weights)))
    best = min(choices, key=lambda choice: choice.loss)
    return next(choice for choice in choices if choice.loss <= best.loss + best.loss_error)


def _folds(truth: Integers, groups: NDArray[np.str_], seed: int) -> Iterator[tuple[Integers, Integers]]:
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in splitter.split(truth, truth, groups):
        if len(test) and len(np.unique(truth[train])) > 1:
            yield train, test


def _regression(c: float) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=_MAX_ITERATIONS)


def _scores(model: LogisticRegression, vectors: NDArray[np.float32]) -> Floats:
    """Return one score a class: a binary regression has one decision function, the other class scores 0."""
    decision = model.decision_function(vectors)
    if decision.ndim == 2:
        return np.asarray(decision, np.float64)
    return np.column_stack([np.zeros(len(decision)), decision])


def _coefficients(model: LogisticRegression, classes: int) -> tuple[Floats, Floats]:
    """Return weights, shape (classes, dimensions), and bias, shape (classes,), that score as `_scores`."""
    rows, bias = np.asarray(model.coef_, np.float64), np.asarray(model.intercept_, np.float64)
    if classes == 2:
        return np.vstack([np.zeros_like(rows), rows]), np.append(np.zeros_like(bias), bias)
    return rows, bias


def _tempered(c: float, predictions: _Predictions) -> _Choice:
    """Return the choice of `c` with the temperature of least weighted log loss (Guo et al. 2017)."""

    def losses(log_temperature: float) -> Floats:
        shares = log_softmax(predictions.scores / np.exp(log_temperature), axis=1)
        each: Floats = -shares[np.arange(len(predictions.truth)), predictions.truth]
        return each

    def loss(log_temperature: float) -> float:
        return float(np.average(losses(log_temperature), weights=predictions.weights))

    found = minimize_scalar(loss, bounds=tuple(np.log(_TEMPERATURES)), method="bounded")
    variance = np.average((losses(found.x) - found.fun) ** 2, weights=predictions.weights)
    error = float(np.sqrt(variance / effective_size(predictions.weights)))
    return _Choice(c, float(np.exp(found.x)), float(found.fun), error, predictions)


def _sure_at(predictions: _Predictions, temperature: float, sure_accuracy: float) -> float:
    shares = _shares(predictions, temperature)
    correct = (shares.argmax(axis=1) == predictions.truth).astype(np.float64)
    return sure_threshold(shares.max(axis=1), correct, predictions.weights, sure_accuracy)


def _shares(predictions: _Predictions, temperature: float) -> Floats:
    shares: Floats = np.exp(log_softmax(predictions.scores / temperature, axis=1))
    return shares
