"""The gate of a project: nothing without evidence, alarms, releases, and what is told."""

import itertools
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.promise import bound, gate, monitor
from labelmill.promise.bound import STARTS
from labelmill.promise.eprocess import bets_below
from labelmill.promise.gate import LOOK, NOTHING, Audit, Gate, Promise

quick = settings(max_examples=60, deadline=None)
PROMISE = Promise(target=0.2, confidence=0.8)
BY_LABEL = msgspec.structs.replace(PROMISE, labels=["a", "b"])

outcomes = st.lists(
    st.tuples(
        st.sampled_from([0.999, 0.95, 0.8, 0.4, 0.0]),
        st.integers(0, 5).map(lambda n: n == 0),
        st.sampled_from(["a", "b", "elsewhere"]),
        st.booleans(),
        st.sampled_from([0.05, 0.2, 1.0]),
    ),
    max_size=250,
)
promises = st.sampled_from([PROMISE, BY_LABEL])


def audits_of(found: Sequence[tuple[float, bool, str, bool, float]]) -> list[Audit]:
    return [Audit(seq, *each) for seq, each in enumerate(found)]


def right(count: int, first: int = 0, label: str = "a") -> list[Audit]:
    return [Audit(first + number, 1.0, False, label, True, 0.2) for number in range(count)]


def wrong(count: int, first: int = 0, label: str = "a") -> list[Audit]:
    return [audit._replace(error=True) for audit in right(count, first, label)]


def after(audits: Sequence[Audit], promise: Promise = PROMISE) -> Gate:
    return gate.observe(promise, gate.begin(promise), audits)


def opening(promise: Promise, family: int) -> int:
    """Return after how many audits without an error a gate opens: by hand, at the next look."""
    needed = -math.log(promise.alpha / family / (family + 1) / max(1, len(promise.labels)) * STARTS[0][1])
    log_e = bets_below(promise.target).log_e(np.arange(5000), np.zeros(5000))
    return math.ceil(int(np.argmax(log_e >= needed)) / LOOK) * LOOK


def same(one: Gate, other: Gate) -> bool:
    """Return whether two gates are equal, but for the last digits of what is summed in another order."""
    estimates = pytest.approx((other.accepted, other.errors))
    fields = {"accepted": 0.0, "errors": 0.0}
    return (one.accepted, one.errors) == estimates and (
        msgspec.structs.replace(one, **fields) == msgspec.structs.replace(other, **fields)
    )


@pytest.mark.parametrize("promise", [PROMISE, BY_LABEL])
def test_nothing_is_accepted_before_there_is_evidence(promise: Promise) -> None:
    told = gate.acceptance(promise, gate.begin(promise, release=3))
    assert (told.state, told.audit_rate, told.error_bound, told.audits) == ("gathering", 1.0, 1.0, 0)
    (threshold,) = told.thresholds
    assert (threshold.release, threshold.confidence) == (3, NOTHING)
    assert threshold.by_label in (None, {})
    assert told.sentence.startswith("Nothing is accepted yet: 0 audits, 0 errors so far")


@given(promises, outcomes, st.lists(st.integers(0, 250), max_size=5))
@quick
def test_a_gate_does_not_depend_on_how_its_audits_are_cut(
    promise: Promise, found: list[tuple[float, bool, str, bool, float]], cuts: list[int]
) -> None:
    audits, state = audits_of(found), gate.begin(promise)
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(audits)]):
        state = gate.observe(promise, state, audits[begin:end])
    assert same(state, after(audits, promise))


@pytest.mark.parametrize("step", [1, 7, 26, 90])
@pytest.mark.parametrize("promise", [PROMISE, BY_LABEL])
def test_a_gate_opens_alarms_and_opens_again_however_its_audits_are_cut(promise: Promise, step: int) -> None:
    rng = np.random.default_rng(3)
    error = rng.random(900) < np.where(np.arange(900) // 50 == 8, 0.7, 0.03)
    audits = [Audit(n, 1.0, bool(wrong), "aab"[n % 3], True, 0.2) for n, wrong in enumerate(error)]
    whole, state = after(audits, promise), gate.begin(promise)
    for begin in range(0, len(audits), step):
        state = gate.observe(promise, state, audits[begin : begin + step])
    assert same(state, whole)
    assert (after(audits[:400], promise).is_open, whole.is_open, whole.alarms) == (True, True, 1)


@given(promises, outcomes, outcomes)
@quick
def test_a_gate_that_was_stored_goes_on_as_it_was(
    promise: Promise,
    found: list[tuple[float, bool, str, bool, float]],
    more: list[tuple[float, bool, str, bool, float]],
) -> None:
    audits = audits_of([*found, *more])
    state = after(audits[: len(found)], promise)
    stored = msgspec.json.decode(msgspec.json.encode(state), type=Gate)
    assert stored == state
    assert gate.observe(promise, stored, audits) == gate.observe(promise, state, audits[len(found) :])


@given(promises, outcomes)
@quick
def test_what_is_open_was_certified_by_the_audits_since_the_last_alarm(
    promise: Promise, found: list[tuple[float, bool, str, bool, float]]
) -> None:
    state, audits = after(audits_of(found), promise), audits_of(found)
    assert state.family == 1 + state.alarms
    own = [audit for audit in audits if audit.seq > state.alarm_seq]
    for label, evidence in state.evidence.items():
        of_label = [audit for audit in own if label in ("", audit.label)]
        fresh = bound.add(
            bound.empty(promise.target), [a.score for a in of_label], [a.error for a in of_label]
        )
        assert (evidence.total, evidence.audits, evidence.errors) == (
            fresh.total,
            fresh.audits,
            fresh.errors,
        )
        alpha = promise.alpha / state.family / (state.family + 1) / len(state.evidence)
        lowest = bound.certified(fresh, alpha)
        assert state.thresholds.get(label, NOTHING) >= (NOTHING if lowest is None else lowest)
    told = gate.acceptance(promise, state)
    assert (told.state == "open") == state.is_open == (told.error_bound < 1.0)
    if not state.is_open:
        assert told.audit_rate == 1.0


@pytest.mark.parametrize("promise", [PROMISE, BY_LABEL])
@pytest.mark.parametrize("family", [1, 2, 5])
def test_each_family_opens_at_its_own_share_of_alpha(promise: Promise, family: int) -> None:
    """The j-th has alpha / (j (j+1)), alpha (1/j - 1/(j+1)): alpha in all."""
    state = gate.begin(promise)
    for number in range(1, family):
        state = gate.new_release(promise, state, number, [])
    enough = opening(promise, family)
    assert not gate.observe(promise, state, right(enough - 1)).is_open
    assert gate.observe(promise, state, right(enough)).is_open


def test_a_threshold_for_each_label_takes_evidence_of_that_label() -> None:
    count = opening(BY_LABEL, 1)
    one = after(right(count), BY_LABEL)
    assert set(one.thresholds) == {"a"}
    assert gate.acceptance(BY_LABEL, one).thresholds[0].by_label == one.thresholds
    assert gate.acceptance(BY_LABEL, one).thresholds[0].confidence == NOTHING
    both = gate.observe(BY_LABEL, one, right(count, first=count, label="b"))
    assert set(both.thresholds) == {"a", "b"}
    unknown = after(right(500, label="elsewhere"), BY_LABEL)
    assert not unknown.is_open


def test_what_one_label_lacks_is_told_in_audits_of_all_labels() -> None:
    alone = after(right(6), BY_LABEL)
    mixed = after([audit._replace(label="ab"[audit.seq % 2]) for audit in right(12)], BY_LABEL)
    lacking = [gate.acceptance(BY_LABEL, state).audits_missing for state in (alone, mixed)]
    assert lacking[1] == 2 * lacking[0]


def test_an_open_gate_closes_at_an_alarm_and_opens_on_fresh_evidence_only() -> None:
    opened = after(right(200))
    assert opened.is_open
    alarmed = gate.observe(PROMISE, opened, wrong(50, first=200))
    expected = monitor.observe(opened.watch, [True] * 50)
    assert not alarmed.is_open
    assert alarmed.alarms == 1
    assert alarmed.alarm_seq == 200 + expected.audits - opened.watch.audits - 1
    left = 50 - (alarmed.alarm_seq - 199)
    assert sum(each.total for each in alarmed.evidence.values()) == left
    told = gate.acceptance(PROMISE, alarmed)
    assert told.state == "alarm"
    assert told.thresholds[0].confidence == NOTHING
    assert "Acceptance was closed" in told.sentence
    at = alarmed.alarm_seq + 1
    closed = gate.observe(PROMISE, opened, wrong(at - 200, first=200))
    assert closed.alarms == 1
    again = opening(PROMISE, 2)
    assert not gate.observe(PROMISE, closed, right(again - 1, first=at)).is_open
    reopened = gate.observe(PROMISE, closed, right(again, first=at))
    assert gate.acceptance(PROMISE, reopened).state == "open"
    assert reopened.watch == monitor.start(PROMISE.target, PROMISE.alpha), "the monitor begins anew"


def test_audits_of_what_is_not_accepted_raise_no_alarm() -> None:
    state = gate.observe(PROMISE, after(right(200)), [a._replace(accepted=False) for a in wrong(50, 200)])
    assert state.alarms == 0
    assert state.is_open


def test_audits_seen_before_are_passed_over() -> None:
    state = after(right(60))
    assert gate.observe(PROMISE, state, right(60)) == state


@given(outcomes, outcomes)
@settings(max_examples=40, deadline=None)
def test_a_new_release_is_judged_by_audits_since_the_last_alarm(
    found: list[tuple[float, bool, str, bool, float]], again: list[tuple[float, bool, str, bool, float]]
) -> None:
    before = after(audits_of(found))
    past = audits_of(again)
    state = gate.new_release(PROMISE, before, 7, past)
    fresh = [audit for audit in past if audit.seq > before.alarm_seq]
    assert (state.release, state.family, state.alarms) == (7, before.family + 1, before.alarms)
    assert state.evidence[""].total == len(fresh)
    assert (state.accepted, state.errors) == (before.accepted, before.errors)
    assert state.seq == max([before.seq, *(audit.seq for audit in fresh)])
    assert state.watch.audits == 0


def test_a_new_release_gets_nothing_from_what_its_predecessor_had_proved() -> None:
    state = gate.new_release(PROMISE, after(right(500)), 2, [])
    assert not state.is_open
    assert gate.acceptance(PROMISE, state).state == "gathering"


def test_an_alarm_is_told_until_a_release_opens_again() -> None:
    alarmed = gate.observe(PROMISE, after(right(200)), wrong(50, first=200))
    waiting = gate.new_release(PROMISE, alarmed, 2, [])
    assert gate.acceptance(PROMISE, waiting).state == "alarm"
    opened = gate.new_release(PROMISE, alarmed, 2, right(300, first=250))
    assert gate.acceptance(PROMISE, opened).state == "open"


def test_audits_stand_for_the_labels_they_were_drawn_from() -> None:
    state = after([*right(3), *wrong(1, first=3), right(1, first=4)[0]._replace(accepted=False)])
    assert state.accepted == pytest.approx(4 * 4.0)
    assert state.errors == pytest.approx(4.0)


def test_the_sentence_says_what_is_promised_relative_to_what() -> None:
    told = gate.acceptance(PROMISE, after(right(100)))
    assert told.sentence == (
        "At most 20% of accepted labels differ from what one person would say "
        "(80% confidence, over all looks; 100 audits, 0 errors)."
    )
    three = msgspec.structs.replace(PROMISE, raters=3)
    assert "what most of 3 people would say" in gate.acceptance(three, after(right(100), three)).sentence


def test_an_error_of_raters_that_was_measured_is_allowed_for_and_told() -> None:
    forgiving = msgspec.structs.replace(PROMISE, target=0.1, rater_error=0.1)
    strict = msgspec.structs.replace(PROMISE, target=0.1)
    state = after(right(150), forgiving)
    assert state.target == pytest.approx(0.1 * 0.9 + 0.9 * 0.1)
    told = gate.acceptance(forgiving, state)
    assert "allowing for reviewers who err in at least 10% of cases" in told.sentence
    assert (told.rater_error, told.target_error) == (pytest.approx(0.1), 0.1)
    assert told.error_bound <= forgiving.target
    noisy = [audit._replace(error=audit.seq % 10 == 9) for audit in right(400)]
    assert after(noisy, forgiving).is_open
    assert not after(noisy, strict).is_open


def test_a_label_that_has_all_leaves_what_the_other_lacks_to_be_told() -> None:
    complete = after(right(600), BY_LABEL)
    assert bound.judge(complete.evidence["a"], 0.05).missing == 0
    assert gate.acceptance(BY_LABEL, complete).audits_missing > 0


def test_while_nothing_is_accepted_what_is_missing_is_to_the_look_that_opens() -> None:
    count = opening(PROMISE, 1)
    for have in range(count):
        state = after(right(have))
        lacking = gate.acceptance(PROMISE, state).audits_missing
        assert have + lacking <= count
        later = gate.observe(PROMISE, state, right(count - have, first=have))
        assert later.is_open
        assert lacking > 0
