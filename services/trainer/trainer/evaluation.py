"""Judging a candidate against the release in force, on held-out decisions. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from labelmill.releases import Evaluation, StudentModel
from labelmill.student import probabilities
from numpy.typing import NDArray

from trainer.datasets import Member
from trainer.errors import NotEnough
from trainer.weighting import JUDGE_RATIO, inverse_propensity

MIN_HELD_OUT = 10
"""With fewer held-out decisions a candidate is not judged: the training ends as "not enough"."""
_MIN_PROBABILITY = 1e-6
_SAME = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """How a voter does on weighted held-out decisions. Log loss is in nats a decision."""

    items: int
    accuracy: float
    log_loss: float
    sure_share: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate becomes the release, and why, in one sentence."""

    promote: bool
    reason: str


def student_score(
    model: StudentModel, embeddings: NDArray[np.float32], truth: Sequence[str], weights: Floats
) -> Score:
    """Return the score of a student; a label that it does not know is a mistake of probability 0."""
    return score(model.classes, probabilities(model, embeddings), truth, weights, sure_at=model.sure_at)


def score(
    classes: Sequence[str], shares: Floats, truth: Sequence[str], weights: Floats, sure_at: float = 2.0
) -> Score:
    """Return the score of distributions over `classes`, shape (decisions, classes), against the truth."""
    numbers = {name: number for number, name in enumerate(classes)}
    of_truth = np.array(
        [row[numbers[label]] if label in numbers else 0.0 for row, label in zip(shares, truth, strict=True)]
    )
    chosen = [classes[best] for best in shares.argmax(axis=1)]
    right = np.array([guess == label for guess, label in zip(chosen, truth, strict=True)])
    return Score(
        items=len(truth),
        accuracy=float(np.average(right, weights=weights)),
        log_loss=float(np.average(-np.log(np.maximum(of_truth, _MIN_PROBABILITY)), weights=weights)),
        sure_share=float(np.average(shares.max(axis=1) >= sure_at, weights=weights)),
    )


def machine_score(
    labels: Sequence[str], confidences: Sequence[float], truth: Sequence[str], weights: Floats, options: int
) -> Score:
    """Return the score of the machine's labels as they were when people decided.

    Only the confidence of the chosen label is known: the rest is taken as spread evenly over the others.
    """
    right = np.array([label == true for label, true in zip(labels, truth, strict=True)])
    stated = np.asarray(confidences, np.float64)
    of_truth = np.where(right, stated, (1.0 - stated) / max(1, options - 1))
    return Score(
        items=len(truth),
        accuracy=float(np.average(right, weights=weights)),
        log_loss=float(np.average(-np.log(np.maximum(of_truth, _MIN_PROBABILITY)), weights=weights)),
    )


def standing_of_machine(held: Sequence[Member], options: int) -> Score:
    """Return the score of the machine's labels as people found them on held-out decisions."""
    return machine_score(
        [member.machine_label for member in held],
        [member.machine_confidence for member in held],
        [member.label for member in held],
        judging_weights(held),
        options,
    )


def judging_weights(held: Sequence[Member]) -> Floats:
    """Return the weights of held-out decisions."""
    return inverse_propensity([member.propensity for member in held], JUDGE_RATIO)


def judge(candidate: Score, present: Score) -> Verdict:
    """Return the verdict on a candidate.

    The rule: it is promoted if its accuracy on the held-out decisions is higher than the present's on the
    same decisions; at equal accuracy, if its log loss is lower. Otherwise the present release stays.
    Accuracies are weighted by inverse propensity, so they estimate the accuracy on all items.
    """
    told = f"accuracy {candidate.accuracy:.4f} against {present.accuracy:.4f}"
    gain = candidate.accuracy - present.accuracy
    if abs(gain) > _SAME:
        return Verdict(gain > 0, f"{'better' if gain > 0 else 'worse'}: {told}")
    told += f", log loss {candidate.log_loss:.4f} against {present.log_loss:.4f}"
    better = candidate.log_loss < present.log_loss - _SAME
    return Verdict(better, f"{'better' if better else 'not better'}: {told}")


def evaluation_of(candidate: Score, present: Score) -> Evaluation:
    """Return both scores in the form that a release carries."""
    return Evaluation(
        items=candidate.items,
        accuracy=candidate.accuracy,
        present_accuracy=present.accuracy,
        log_loss=candidate.log_loss,
        sure_share=candidate.sure_share,
    )


def check_held_out(items: int) -> None:
    """Raises NotEnough if a candidate could not be judged on so few held-out decisions."""
    if items < MIN_HELD_OUT:
        raise NotEnough(f"not enough: {MIN_HELD_OUT} held-out decisions are needed, there are {items}")
