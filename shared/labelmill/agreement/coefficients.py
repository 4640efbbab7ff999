"""The coefficients: percent, Cohen, Fleiss, Krippendorff and Gwet, and how far raters share one label.

All are (observed - expected) / (1 - expected) and differ in what they expect by chance. They take ratings by
the item; what an item adds is summed, so that resampling items costs little.
"""

from typing import Final

import numpy as np

from labelmill.agreement.figures import Figure, Statistic, figure, lack, undefined
from labelmill.agreement.ratings import Floats, Ratings

_ONE_LABEL: Final = "all raters gave the same label throughout: agreement beyond chance cannot be told"


def percent(ratings: Ratings, *, seed: int = 0) -> Figure:
    """Return the share of pairs of raters that agree, each item counting the same, 0 to 1."""
    if reason := lack(ratings):
        return undefined(ratings, reason)
    shared, rated = _shared(ratings)
    columns = np.stack([shared, rated], axis=1)

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        observed = sums[..., 0] / sums[..., 1]
        return observed, np.zeros_like(observed)

    return figure(ratings, Statistic(columns, ratings.weights, formula), "", seed)


def cohen(ratings: Ratings, *, seed: int = 0) -> Figure:
    """Return Cohen's kappa of two raters, on the items that both rated (Cohen 1960).

    Chance: each rater keeps to the frequencies with which he or she gave the labels.
    """
    if reason := lack(ratings):
        return undefined(ratings, reason)
    if ratings.crossed is None:
        return undefined(ratings, f"it compares two raters, and there are {ratings.raters}")
    options = len(ratings.crossed)
    ones = np.eye(options)
    firsts, seconds = np.repeat(ones, options, axis=0), np.tile(ones, (options, 1))
    columns = np.hstack([firsts, seconds, (firsts * seconds).sum(axis=1, keepdims=True)])
    given = ratings.crossed.ravel() > 0

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        first, second = sums[..., :options], sums[..., options:-1]
        number = first.sum(axis=-1)
        return sums[..., -1] / number, (first * second).sum(axis=-1) / number**2

    statistic = Statistic(columns[given], ratings.crossed.ravel()[given], formula)
    return figure(ratings, statistic, _ONE_LABEL, seed)


def fleiss(ratings: Ratings, *, seed: int = 0) -> Figure:
    """Return Fleiss' kappa of any raters, the same number for each item (Fleiss 1971).

    Chance: all keep to the common frequencies of the labels. With two raters it is Scott's pi (1955).
    """
    if reason := lack(ratings):
        return undefined(ratings, reason)
    number = ratings.per_item
    if number.min() < number.max():
        return undefined(
            ratings, f"it needs as many ratings for each item, and there are {number.min()} to {number.max()}"
        )
    shared, rated = _shared(ratings)
    columns = np.hstack([ratings.counts / number[:, None], shared[:, None], rated[:, None]])

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        items = sums[..., -1]
        return sums[..., -2] / items, (sums[..., :-2] ** 2).sum(axis=-1) / items**2

    return figure(ratings, Statistic(columns, ratings.weights, formula), _ONE_LABEL, seed)


def alpha(ratings: Ratings, distances: Floats | None = None, *, seed: int = 0) -> Figure:
    """Return Krippendorff's alpha of any raters, who need not rate all items (Krippendorff 2011).

    `distances[a, b]`: how far two labels are apart, 0 for the same; nominal unless given. Chance: two labels
    are drawn from all that were given to items with two ratings or more.
    """
    if reason := lack(ratings):
        return undefined(ratings, reason)
    options = ratings.counts.shape[1]
    apart = 1.0 - np.eye(options) if distances is None else distances / distances.max(initial=1.0)
    number = ratings.per_item
    counts = np.where(number[:, None] >= 2, ratings.counts, 0).astype(np.float64)
    differing = ((counts @ apart) * counts).sum(axis=1) / np.maximum(number - 1, 1)
    columns = np.hstack([counts, differing[:, None]])

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        totals = sums[..., :-1]
        number = totals.sum(axis=-1)
        expected = ((totals @ apart) * totals).sum(axis=-1) / (number * (number - 1.0))
        return 1.0 - sums[..., -1] / number, 1.0 - expected

    return figure(ratings, Statistic(columns, ratings.weights, formula), _ONE_LABEL, seed)


def ac1(ratings: Ratings, *, seed: int = 0) -> Figure:
    """Return Gwet's AC1 of any raters, who need not rate all items (Gwet 2008; missing ratings: Gwet 2014).

    Chance: raters guess only where an item is hard, so that it stays low where one label dominates. It counts
    all labels there are to choose from, given or not.
    """
    if reason := lack(ratings):
        return undefined(ratings, reason)
    options = ratings.counts.shape[1]
    if options < 2:
        return undefined(ratings, "there is one label only")
    number = ratings.per_item
    shared, rated = _shared(ratings)
    parts = ratings.counts / number[:, None]
    columns = np.hstack([parts, shared[:, None], rated[:, None]])

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        shares = sums[..., :-2] / sums[..., :-2].sum(axis=-1, keepdims=True)
        return sums[..., -2] / sums[..., -1], (shares * (1.0 - shares)).sum(axis=-1) / (options - 1)

    return figure(ratings, Statistic(columns, ratings.weights, formula), "", seed)


def specific(ratings: Ratings, label: int, *, seed: int = 0) -> Figure:
    """Return how often another rater says the same where one says `label` (specific agreement), 0 to 1.

    Spitzer & Fleiss 1974 for two ratings; with more, each rating meets the mean of the item's others. It
    rests on the items to which somebody gave the label.
    """
    given = ratings.counts[:, label] > 0
    within = Ratings(ratings.counts[given], ratings.weights[given], ratings.raters)
    if reason := lack(within):
        return undefined(within, reason)
    number = within.per_item
    said = np.where(number >= 2, within.counts[:, label], 0).astype(np.float64)
    columns = np.stack([said * (said - 1.0) / np.maximum(number - 1, 1), said], axis=1)

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        observed = sums[..., 0] / sums[..., 1]
        return observed, np.zeros_like(observed)

    return figure(within, Statistic(columns, within.weights, formula), "", seed)


def _shared(ratings: Ratings) -> tuple[Floats, Floats]:
    """Return by row the share of an item's pairs of ratings that agree, and whether it has any (1 or 0)."""
    number = ratings.per_item
    agreeing = (ratings.counts * (ratings.counts - 1)).sum(axis=1)
    return agreeing / np.maximum(number * (number - 1), 1), (number >= 2).astype(np.float64)
