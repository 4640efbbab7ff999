"""How far voters are to be believed; crowd-kit is the reference for what choices alone tell."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import MACE, OneCoinDawidSkene
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.events import Vote
from labelmill.kinds import kind_named
from labelmill.pooling import FUNCTION, Pool
from trainer.aggregation import ABSENT, Choices, Method, aggregate
from trainer.reliabilities import Ballots, excess_agreement, fit, posteriors

LABELS = ("a", "b", "c")
CHOICE = kind_named("choice")
Rng = np.random.Generator


def drawn_truth(rng: Rng, items: int) -> np.ndarray:
    return rng.integers(0, len(LABELS), items)


def coin(rng: Rng, truth: np.ndarray, accuracy: float, coverage: float = 1.0) -> np.ndarray:
    """What a voter of this accuracy chooses, ABSENT where it abstains."""
    others = (truth + rng.integers(1, len(LABELS), len(truth))) % len(LABELS)
    chosen = np.where(rng.random(len(truth)) < accuracy, truth, others)
    return np.where(rng.random(len(truth)) < coverage, chosen, ABSENT)


def choices_of(
    columns: Sequence[np.ndarray], truth: np.ndarray | None = None, strength: float = 2.0
) -> Choices:
    numbers = np.column_stack(columns).astype(np.int64)
    items, voters = numbers.shape
    return Choices(
        numbers=numbers,
        options=len(LABELS),
        truth=np.full(items, ABSENT, np.int64) if truth is None else truth.astype(np.int64),
        weights=np.ones(items),
        guesses=np.full(voters, 0.7),
        strengths=np.full(voters, strength),
    )


def function_vote(name: str, number: int, accuracy: float = 0.7) -> Vote:
    label = LABELS[number]
    return Vote(voter=name, version="1", source=FUNCTION, label=label, confidence=accuracy)


def soft_vote(name: str, shares: Sequence[float]) -> Vote:
    probabilities = dict(zip(LABELS, map(float, shares), strict=True))
    label = max(probabilities, key=probabilities.__getitem__)
    return Vote(
        voter=name,
        version="1",
        source="logprobs",
        label=label,
        confidence=probabilities[label],
        probabilities=probabilities,
    )


def ballots_of(
    columns: dict[str, np.ndarray],
    truth: np.ndarray | None = None,
    vote: Callable[[str, int], Vote] = function_vote,
) -> Ballots:
    items = len(next(iter(columns.values())))
    return Ballots(
        labels=LABELS,
        votes=[
            [vote(name, column[item]) for name, column in columns.items() if column[item] != ABSENT]
            for item in range(items)
        ],
        truth=[None if truth is None else LABELS[truth[item]] for item in range(items)],
        weights=np.ones(items),
    )


def frame(columns: Sequence[np.ndarray]) -> pd.DataFrame:
    rows = [
        (item, voter, LABELS[number])
        for voter, column in enumerate(columns)
        for item, number in enumerate(column)
        if number != ABSENT
    ]
    return pd.DataFrame(rows, columns=["task", "worker", "label"])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.floats(0.6, 0.95), min_size=4, max_size=6))
def test_one_coin_finds_what_crowd_kit_finds(seed: int, accuracies: list[float]) -> None:
    rng = np.random.default_rng(seed)
    truth = drawn_truth(rng, 200)
    columns = [coin(rng, truth, accuracy) for accuracy in accuracies]
    found = aggregate(choices_of(columns, strength=0.01))
    reference = OneCoinDawidSkene(n_iter=40, tol=1e-7).fit(frame(columns))
    expected = reference.probas_[list(LABELS)].sort_index().to_numpy()
    skills = reference.skills_.sort_index().to_numpy()
    assert np.abs(found.accuracies - skills).max() < 0.02
    assert np.abs(found.posteriors - expected).mean() < 0.02


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mace_finds_what_crowd_kit_finds() -> None:
    rng = np.random.default_rng(4)
    truth = drawn_truth(rng, 150)
    columns = [coin(rng, truth, accuracy) for accuracy in (0.9, 0.8, 0.75, 0.7)]
    found = aggregate(choices_of(columns), "mace").posteriors.argmax(axis=1)
    expected = MACE(n_restarts=2, n_iter=15, random_state=0).fit_predict(frame(columns)).sort_index()
    assert (np.array(LABELS)[found] == expected.to_numpy()).mean() > 0.95


def test_mace_sees_through_voters_that_always_say_the_same() -> None:
    rng = np.random.default_rng(4)
    truth = drawn_truth(rng, 300)
    columns = [*(coin(rng, truth, a) for a in (0.85, 0.8, 0.75, 0.7)), *[np.zeros(300, np.int64)] * 2]
    found = aggregate(choices_of(columns), "mace")
    assert found.accuracies[:4] == pytest.approx([0.85, 0.8, 0.75, 0.7], abs=0.08)
    assert found.accuracies[4:].max() < 0.4
    assert (found.posteriors.argmax(axis=1) == truth).mean() > 0.9


@pytest.mark.parametrize("method", ["one_coin", "mace"])
def test_known_truths_are_held_to_and_teach(method: Method) -> None:
    """Two bad voters outvote a good one until a few truths tell who is who."""
    rng = np.random.default_rng(1)
    truth = drawn_truth(rng, 400)
    columns = [coin(rng, truth, accuracy) for accuracy in (0.9, 0.4, 0.4)]
    known = np.where(np.arange(400) < 60, truth, ABSENT)
    found = aggregate(choices_of(columns, known), method)
    assert (found.posteriors[:60].argmax(axis=1) == truth[:60]).all()
    assert found.accuracies == pytest.approx([0.9, 0.4, 0.4], abs=0.08)
    assert (found.posteriors.argmax(axis=1) == truth).mean() > 0.85


def test_a_function_that_seldom_votes_stays_near_what_its_author_declares() -> None:
    rng = np.random.default_rng(2)
    truth = drawn_truth(rng, 200)
    columns = {"f": coin(rng, truth, 0.8), "rare": np.where(np.arange(200) < 2, truth, ABSENT)}
    found = fit(ballots_of(columns, truth, lambda name, number: function_vote(name, number, 0.6)))
    assert found["f"].accuracy == pytest.approx(0.8, abs=0.06)
    assert found["rare"].accuracy == pytest.approx((2 + 0.6 * 10) / 12)


def test_functions_alone_give_sensible_posteriors() -> None:
    """Weak supervision: abstaining functions, no truth at all."""
    rng = np.random.default_rng(3)
    truth = drawn_truth(rng, 1500)
    columns = {f"f{n}": coin(rng, truth, a, 0.5) for n, a in enumerate((0.85, 0.8, 0.75, 0.7, 0.65))}
    ballots = ballots_of(columns)
    found = posteriors(ballots)
    voted = np.array([bool(votes) for votes in ballots.votes])
    confidence, right = found.max(axis=1)[voted], (found.argmax(axis=1) == truth)[voted]
    assert right.mean() > 0.78
    assert abs(confidence.mean() - right.mean()) < 0.05
    fitted = [fit(ballots)[f"f{n}"].accuracy for n in range(5)]
    assert fitted == pytest.approx([0.85, 0.8, 0.75, 0.7, 0.65], abs=0.08)


def test_a_voter_that_is_too_sure_is_tempered_towards_its_accuracy() -> None:
    rng = np.random.default_rng(5)
    truth = drawn_truth(rng, 600)
    sure = np.eye(3) * 0.96 + 0.02

    def boaster(name: str, number: int) -> Vote:
        return soft_vote(name, sure[number] / sure[number].sum())

    columns = {"boaster": coin(rng, truth, 0.7)}
    found = fit(ballots_of(columns, truth, boaster))
    assert found["boaster"].accuracy == pytest.approx(0.7, abs=0.05)
    confidence = Pool(CHOICE, LABELS, found)([boaster("boaster", 0)]).confidence
    assert confidence == pytest.approx(0.7, abs=0.05)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.floats(0.5, 0.9), min_size=2, max_size=4),
    st.integers(1, 3),
    st.booleans(),
)
def test_an_exact_copy_changes_the_posterior_hardly_at_all(
    seed: int, accuracies: list[float], copies: int, is_soft: bool
) -> None:
    rng = np.random.default_rng(seed)
    truth = drawn_truth(rng, 400)
    vote = (lambda name, n: soft_vote(name, np.eye(3)[n] * 0.85 + 0.05)) if is_soft else function_vote
    columns = {f"v{n}": coin(rng, truth, a) for n, a in enumerate(accuracies)}
    copied = columns | {f"copy{n}": columns["v0"] for n in range(copies)}
    found = []
    for each in (columns, copied):
        ballots = ballots_of(each, truth, vote)
        pool = Pool(CHOICE, LABELS, fit(ballots))
        found.append([list(pool(votes).probabilities.values()) for votes in ballots.votes])
    moved = np.abs(np.array(found[0]) - np.array(found[1])).max(axis=1)
    assert moved.mean() < 0.01
    assert moved.max() < 0.05


def test_independent_voters_keep_their_whole_say_and_a_copy_shares() -> None:
    rng = np.random.default_rng(6)
    truth = drawn_truth(rng, 800)
    columns = {f"v{n}": coin(rng, truth, 0.75) for n in range(3)}
    apart = fit(ballots_of(columns, truth))
    assert [reliability.weight for reliability in apart.values()] == pytest.approx([1.0] * 3, abs=0.15)
    twins = fit(ballots_of(columns | {"twin": columns["v0"]}, truth))
    assert twins["v0"].weight == pytest.approx(0.5, abs=0.05)
    assert twins["twin"].weight == pytest.approx(0.5, abs=0.05)
    assert twins["v1"].weight == pytest.approx(1.0, abs=0.15)


def test_a_crowd_of_twins_does_not_overrule_independent_voters_though_no_truth_is_known() -> None:
    rng = np.random.default_rng(7)
    truth = drawn_truth(rng, 1500)
    good = {f"good{n}": coin(rng, truth, 0.8) for n in range(3)}
    bad = coin(rng, truth, 0.55)
    columns = good | {f"twin{n}": bad for n in range(5)}
    found = posteriors(ballots_of(columns))
    alone = posteriors(ballots_of(good | {"bad": bad}))
    accuracy, without = ((each.argmax(axis=1) == truth).mean() for each in (found, alone))
    assert accuracy > without - 0.03


def test_excess_agreement_is_one_for_copies_and_none_for_strangers() -> None:
    rng = np.random.default_rng(8)
    truth = drawn_truth(rng, 2000)
    one, other = coin(rng, truth, 0.7), coin(rng, truth, 0.8)
    half = np.where(np.arange(2000) % 2 == 0, one, ABSENT)
    choices = choices_of([one, one, other, half], truth)
    accuracies = aggregate(choices).accuracies
    excess = excess_agreement(choices, accuracies)
    assert excess[0, 1] == pytest.approx(1.0, abs=0.01)
    assert excess[0, 2] < 0.1
    assert excess[0, 3] == pytest.approx(0.5, abs=0.05), "half of its votes have the copy beside them"
    assert excess[3, 0] == pytest.approx(1.0, abs=0.05)


def test_voters_unknown_labels_and_no_votes_do_no_harm() -> None:
    assert fit(Ballots(LABELS, [[], []], ["a", None], np.ones(2))) == {}
    stranger = Vote(voter="f", version="1", source=FUNCTION, label="dropped", confidence=0.7)
    found = fit(Ballots(LABELS, [[stranger], [function_vote("f", 0)]], ["a", "dropped"], np.ones(2)))
    assert 0.5 < found["f"].accuracy < 0.8
