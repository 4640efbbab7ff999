"""Agreement: published worked examples, other libraries' values, and what must hold for any ratings."""

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.agreement import (
    Figure,
    Ratings,
    ac1,
    alpha,
    cohen,
    distances,
    fleiss,
    percent,
    specific,
    tabulate,
)
from labelmill.agreement.ratings import Floats
from labelmill.kinds import kind_named
from nltk.metrics.agreement import AnnotationTask
from sklearn.metrics import cohen_kappa_score

Table = Sequence[Sequence[int | None]]
"""A row an item, a column a rater; None: not rated."""

RATERS = Path(__file__).parents[2] / "examples" / "tweets" / "raters.jsonl"

# Krippendorff, K. (2011). Computing Krippendorff's Alpha-Reliability, four observers, twelve units, values
# 1 to 5, some missing (here 0). Gwet (2014) takes the same ratings for his own coefficients.
KRIPPENDORFF = """
    1 2 3 3 2 1 4 1 2 0 0 0
    1 2 3 3 2 2 4 1 2 5 0 3
    0 3 3 3 2 3 4 2 2 5 1 0
    1 2 3 3 2 4 4 1 2 5 1 0
"""

# Fleiss, J. L. (1971). Measuring nominal scale agreement among many raters, table 1: six psychiatrists,
# thirty patients, five diagnoses; how many of the six gave each.
FLEISS = """
    00060 03003 01401 00006 03030 20400 00402 20310 20040 00006
    10050 11040 03300 10050 02031 00501 30012 51000 02040 10203
    00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""


def rated(table: Table, options: int) -> Ratings:
    known = [(i, r, label) for i, row in enumerate(table) for r, label in enumerate(row) if label is not None]
    items, raters, labels = zip(*known, strict=True) if known else ((), (), ())
    return tabulate(items, raters, labels, options)


def crossed(cells: Sequence[Sequence[int]]) -> Ratings:
    """Return the ratings of two raters, whose labels for an item are row and column of a table of counts."""
    pairs = [(a, b) for a, row in enumerate(cells) for b, number in enumerate(row) for _ in range(number)]
    return rated(pairs, len(cells))


def counted(counts: Sequence[Sequence[int]]) -> Ratings:
    """Return ratings of which only the counts by label are known; who gave which does not matter."""
    rows = [[label for label, number in enumerate(row) for _ in range(number)] for row in counts]
    return rated(rows, len(counts[0]))


def krippendorff() -> Ratings:
    columns = zip(*(map(int, line.split()) for line in KRIPPENDORFF.split("\n") if line.strip()), strict=True)
    return rated([[value - 1 if value else None for value in column] for column in columns], 5)


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.undefined
    return figure.value


def test_krippendorff_2011() -> None:
    ratings = krippendorff()
    assert value(alpha(ratings)) == pytest.approx(0.743, abs=5e-4)
    assert value(alpha(ratings, distances.ordinal(ratings))) == pytest.approx(0.815, abs=5e-4)
    assert value(alpha(ratings, distances.interval([1, 2, 3, 4, 5]))) == pytest.approx(0.849, abs=5e-4)
    figure = alpha(ratings)
    assert (figure.items, figure.pairs) == (11, 8 * 6 + 2 * 3 + 1)


def test_gwet_2014_with_missing_ratings() -> None:
    ratings = krippendorff()
    assert value(ac1(ratings)) == pytest.approx(0.77544, abs=5e-6)
    assert value(percent(ratings)) == pytest.approx(0.8181818, abs=5e-8)


def test_fleiss_1971() -> None:
    ratings = counted([[int(digit) for digit in row] for row in FLEISS.split()])
    assert value(fleiss(ratings)) == pytest.approx(0.430, abs=5e-4)
    assert value(percent(ratings)) == pytest.approx(0.5556, abs=5e-5)


def test_gwet_2008_where_one_label_dominates() -> None:
    """The paradox of kappa: two raters agree on 118 of 125 subjects."""
    ratings = crossed([[118, 5], [2, 0]])
    assert value(percent(ratings)) == pytest.approx(0.944)
    assert value(cohen(ratings)) == pytest.approx(-0.0234, abs=5e-5)
    assert value(fleiss(ratings)) == pytest.approx(-0.0288, abs=5e-5)
    assert value(ac1(ratings)) == pytest.approx(0.9408, abs=5e-5)


def test_two_raters_as_gwet_counts_them() -> None:
    """The table `cont3x3abstractors` of the R package irrCAC, with the values of its vignette."""
    ratings = crossed([[13, 0, 0], [0, 20, 7], [0, 4, 56]])
    assert value(cohen(ratings)) == pytest.approx(0.7964094, abs=5e-8)
    assert value(fleiss(ratings)) == pytest.approx(0.7962397, abs=5e-8)
    assert value(ac1(ratings)) == pytest.approx(0.8493305, abs=5e-8)


def test_twenty_raters_of_all_tweets() -> None:
    """The signs of the first 20 ratings of all 4,200 tweets of vaderSentiment 3.3.2, by how many raters were
    below, at and above 0; examples/tweets leaves some of them out."""
    with (Path(__file__).parent / "tweet_signs.csv").open() as file:
        rows = np.loadtxt(file, np.int64, delimiter=",", skiprows=1)
    ratings = Ratings(rows[:, :3], rows[:, 3], raters=20)
    figure = alpha(ratings)
    assert figure.items == 4200
    assert value(figure) == pytest.approx(0.578, abs=5e-4)


def test_twenty_raters_of_the_example() -> None:
    lines = [json.loads(line)["ratings"][:20] for line in RATERS.read_text().splitlines()]
    ratings = rated((np.sign(lines) + 1).tolist(), 3)
    begun = time.process_time()
    figure = alpha(ratings)
    assert time.process_time() - begun < 2
    assert (figure.items, figure.pairs) == (3831, 3831 * 190)
    assert value(figure) == pytest.approx(0.5523, abs=5e-5)
    assert figure.low is not None
    assert figure.high is not None
    assert 0.53 < figure.low < 0.5523 < figure.high < 0.575


tables = st.tuples(st.integers(2, 4), st.integers(2, 4), st.integers(12, 25)).flatmap(
    lambda size: st.tuples(
        st.just(size[1]),
        st.lists(
            st.lists(st.one_of(st.none(), st.integers(0, size[1] - 1)), min_size=size[0], max_size=size[0]),
            min_size=size[2],
            max_size=size[2],
        ),
    )
)
full_tables = st.tuples(st.integers(2, 5), st.integers(2, 4), st.integers(12, 25)).flatmap(
    lambda size: st.tuples(
        st.just(size[1]),
        st.lists(
            st.lists(st.integers(0, size[1] - 1), min_size=size[0], max_size=size[0]),
            min_size=size[2],
            max_size=size[2],
        ),
    )
)
pairs = st.tuples(st.integers(2, 4), st.integers(12, 40)).flatmap(
    lambda size: st.tuples(
        st.just(size[0]),
        st.lists(
            st.tuples(st.integers(0, size[0] - 1), st.integers(0, size[0] - 1)),
            min_size=size[1],
            max_size=size[1],
        ),
    )
)
quick = settings(max_examples=60, deadline=None)
ALL = (percent, cohen, fleiss, alpha, ac1)


def same(one: Figure, other: Figure) -> None:
    assert (one.items, one.pairs) == (other.items, other.pairs)
    assert (one.value is None) == (other.value is None)
    if one.value is not None:
        assert one.value == pytest.approx(other.value, abs=1e-9)


@quick
@given(tables, st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(sample: tuple[int, Table], random: np.random.Generator) -> None:
    options, table = sample
    rows = [list(row) for row in table]
    random.shuffle(rows)
    columns = list(range(len(rows[0])))
    random.shuffle(columns)
    names = list(range(options))
    random.shuffle(names)
    renamed = [[None if row[c] is None else names[row[c]] for c in columns] for row in rows]  # type: ignore[index]
    for coefficient in ALL:
        same(coefficient(rated(table, options)), coefficient(rated(renamed, options)))


@quick
@given(tables)
def test_alpha_is_nltks(sample: tuple[int, Table]) -> None:
    options, table = sample
    ratings = rated(table, options)
    ours = alpha(ratings)
    if ours.value is None:
        return
    known = [
        (str(r), str(i), label)
        for i, row in enumerate(table)
        for r, label in enumerate(row)
        if label is not None and sum(one is not None for one in row) > 1
    ]
    assert ours.value == pytest.approx(AnnotationTask(known).alpha(), abs=1e-9)


@quick
@given(tables)
def test_alpha_with_distances_is_what_its_definition_says(sample: tuple[int, Table]) -> None:
    """1 - D_o / D_e, over the pairs of values within units and over all pairs of pairable values."""
    options, table = sample
    apart = distances.interval(np.arange(options) ** 2)
    ours = alpha(rated(table, options), apart)
    if ours.value is None:
        return
    units = [[one for one in row if one is not None] for row in table]
    units = [unit for unit in units if len(unit) > 1]
    every = list(itertools.chain(*units))
    within = sum(
        apart[a, b] / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2)
    ) / len(every)
    between = sum(apart[a, b] for a, b in itertools.permutations(every, 2)) / (len(every) * (len(every) - 1))
    assert ours.value == pytest.approx(1 - within / between, abs=1e-9)


@quick
@given(pairs)
def test_cohens_kappa_is_scikit_learns(sample: tuple[int, list[tuple[int, int]]]) -> None:
    options, table = sample
    ours = cohen(rated(table, options))
    if ours.value is None:
        assert len({one for pair in table for one in pair}) == 1
        return
    firsts, seconds = zip(*table, strict=True)
    assert ours.value == pytest.approx(cohen_kappa_score(firsts, seconds), abs=1e-9)


@quick
@given(full_tables)
def test_fleiss_kappa_is_nltks_and_alpha_corrects_it_for_small_samples(sample: tuple[int, Table]) -> None:
    """alpha = 1 - (1 - kappa) (N - 1) / N for N ratings: the same in the limit (Krippendorff 2004)."""
    options, table = sample
    ratings = rated(table, options)
    kappa = fleiss(ratings)
    if kappa.value is None:
        assert alpha(ratings).value is None
        return
    number = len(table) * len(table[0])
    assert value(alpha(ratings)) == pytest.approx(1 - (1 - kappa.value) * (number - 1) / number, abs=1e-9)
    if len(table[0]) == 2:
        known = [(str(r), str(i), label) for i, row in enumerate(table) for r, label in enumerate(row)]
        assert kappa.value == pytest.approx(AnnotationTask(known).pi(), abs=1e-9)


@quick
@given(st.integers(2, 5), st.lists(st.integers(0, 3), min_size=12, max_size=30))
def test_perfect_agreement_is_one(raters: int, labels: list[int]) -> None:
    ratings = rated([[label] * raters for label in labels], 4)
    for coefficient in (percent, fleiss, alpha, ac1):
        figure = coefficient(ratings)
        if len(set(labels)) == 1 and coefficient in (fleiss, alpha):
            assert "the same label" in figure.undefined
            continue
        assert value(figure) == pytest.approx(1.0)
        assert figure.high == 1.0
        assert figure.low is not None
        assert figure.low < 0.9, "a few items prove little, though nobody disagreed"


@pytest.mark.parametrize("raters", [2, 5])
def test_independent_raters_agree_by_chance(raters: int) -> None:
    labels = np.random.default_rng(5).choice(3, size=(20_000, raters), p=[0.6, 0.3, 0.1])
    ratings = rated(labels.tolist(), 3)
    for coefficient in (fleiss, alpha, *([cohen] if raters == 2 else [])):
        figure = coefficient(ratings)
        assert abs(value(figure)) < 0.02
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < value(figure) < figure.high
    assert value(percent(ratings)) == pytest.approx(0.36 + 0.09 + 0.01, abs=0.01)


@quick
@given(tables, st.integers(0, 1))
def test_agreement_on_one_label_by_counting_pairs(sample: tuple[int, Table], label: int) -> None:
    options, table = sample
    ours = specific(rated(table, options), label)
    if ours.value is None:
        return
    said = agreed = 0.0
    for row in table:
        known = [one for one in row if one is not None]
        if len(known) < 2:
            continue
        said += known.count(label)
        agreed += known.count(label) * (known.count(label) - 1) / (len(known) - 1)
    assert ours.value == pytest.approx(agreed / said)
    assert ours.items == sum(label in row and sum(one is not None for one in row) > 1 for row in table)


@quick
@given(tables, st.integers(0, 1))
def test_one_against_the_rest_joins_all_other_labels(sample: tuple[int, Table], label: int) -> None:
    options, table = sample
    joined = [[None if one is None else int(one == label) for one in row] for row in table]
    same(alpha(rated(table, options).against_rest(label)), alpha(rated(joined, 2)))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([], "nobody has rated anything"),
        ([[0, None]] * 30, "there is one rater only"),
        ([[0, None], [None, 1]] * 30, "no item has two raters"),
        ([[0, 1]], "only 1 item has two raters: at least 10 are needed"),
        ([[0, 1]] * 9, "only 9 items have two raters: at least 10 are needed"),
    ],
)
def test_too_little_is_explained(table: Table, reason: str) -> None:
    for coefficient in ALL:
        figure = coefficient(rated(table, 2))
        assert figure.value is figure.low is figure.high is None
        assert figure.undefined == reason


def test_what_a_coefficient_cannot_tell_is_explained() -> None:
    always = rated([[0, 0]] * 50, 2)
    for coefficient in (cohen, fleiss, alpha):
        assert coefficient(always).undefined.startswith("all raters gave the same label throughout")
    assert value(ac1(always)) == value(percent(always)) == 1.0
    three = rated([[0, 1, 1]] * 20, 2)
    assert cohen(three).undefined == "it compares two raters, and there are 3"
    uneven = rated([[0, 1, 1], [0, 1, None]] * 10, 2)
    assert fleiss(uneven).undefined == "it needs as many ratings for each item, and there are 2 to 3"
    assert ac1(rated([[0, 0]] * 20, 1)).undefined == "there is one label only"


def test_a_rater_rates_an_item_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        tabulate([1, 1], [7, 7], [0, 1], 2)
    with pytest.raises(ValueError, match="from 0 to 1"):
        tabulate([1, 1], [7, 8], [0, 2], 2)


def test_the_distance_of_a_kind_is_alphas() -> None:
    apart = distances.of_kind(kind_named("choice"), ["a", "b", "c", "d", "e"])
    ratings = krippendorff()
    assert alpha(ratings, apart) == alpha(ratings)


def test_intervals_repeat_and_hold_the_truth() -> None:
    """Of 200 samples the 95% interval holds the true alpha in about 190."""
    rng, truth, held = np.random.default_rng(11), 0.5, 0
    for seed in range(200):
        # Both say the truth, or what comes to mind: alpha is the share of items on which neither guesses.
        labels = rng.integers(0, 3, (150, 1)).repeat(2, axis=1)
        guessing = rng.random(150) < 1 - truth
        labels[guessing] = rng.integers(0, 3, (int(guessing.sum()), 2))
        figure = alpha(rated(labels.tolist(), 3), seed=seed)
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= truth <= figure.high
    assert 180 <= held <= 198
    ratings = krippendorff()
    assert alpha(ratings, seed=1) == alpha(ratings, seed=1)
    assert alpha(ratings, seed=1).low != alpha(ratings, seed=2).low


@pytest.mark.parametrize(("raters", "options"), [(2, 3), (5, 20)])
def test_a_hundred_thousand_items_take_seconds(raters: int, options: int) -> None:
    rng = np.random.default_rng(3)
    labels = np.where(
        rng.random((100_000, raters)) < 0.7,
        rng.integers(0, options, (100_000, 1)),
        rng.integers(0, options, (100_000, raters)),
    )
    items, columns = np.indices(labels.shape)
    ratings = tabulate(items.ravel(), columns.ravel(), labels.ravel(), options)
    begun = time.process_time()
    figure = alpha(ratings)
    assert time.process_time() - begun < 5  # 1.3 seconds where nothing else runs
    assert value(figure) == pytest.approx(0.49, abs=0.01)
    assert figure.items == 100_000


def test_many_labels_are_counted_all_the_same() -> None:
    """Where a row's counts make no number of 64 bits, no rows are merged."""
    labels = np.random.default_rng(1).integers(0, 50, (200, 3))
    few: Floats = np.eye(50)
    ratings = rated(labels.tolist(), 50)
    assert ratings.counts.shape == (200, 50)
    assert value(alpha(ratings, 1 - few)) == value(alpha(ratings))
