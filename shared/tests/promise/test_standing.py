"""How a promise stands through releases, candidates and alarms."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmill.projects import LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from labelmill.promise.gate import Audit, Promise
from labelmill.promise.raters import Pairs, majority_error, rater_error_low
from labelmill.promise.standing import (
    RATER_ALPHA_SHARE,
    Standing,
    judged,
    promise_of,
    published,
    starts_anew,
)
from scipy.special import betainc

quick = settings(max_examples=60, deadline=None)
PROMISE = Promise(target=0.2, confidence=0.8)
PAIRS = Pairs(1000, 180)


def spec(**policy: object) -> ProjectSpec:
    return ProjectSpec(
        project="p",
        title="P",
        labels=[LabelSpec(name="a"), LabelSpec(name="b")],
        guideline="Say which.",
        voters=[VoterSpec(name="llm", type="llm", model="m")],
        policy=PolicySpec(**{"target_error": 0.2, **policy}),  # type: ignore[arg-type]
    )


def right(count: int, first: int = 0) -> list[Audit]:
    return [Audit(first + number, 1.0, False, "a", True, 0.2) for number in range(count)]


def wrong(count: int, first: int = 0) -> list[Audit]:
    return [audit._replace(error=True) for audit in right(count, first)]


def standing(promise: Promise = PROMISE) -> Standing:
    return judged(promise, None, 0, 0, [])


@pytest.mark.parametrize(
    ("audit_raters", "decisions", "people"), [(1, 1, 1), (3, 1, 3), (1, 3, 3), (5, 3, 5)]
)
def test_the_truth_of_an_audit_is_of_all_who_decide_it(
    audit_raters: int, decisions: int, people: int
) -> None:
    promise = promise_of(spec(audit_raters=audit_raters, decisions_per_task=decisions), PAIRS)
    assert promise is not None
    assert promise.raters == people
    low = rater_error_low(*PAIRS, alpha=0.05 * RATER_ALPHA_SHARE / 2)
    assert promise.rater_error == pytest.approx(majority_error(low, people))


def test_the_raters_limits_of_all_families_together_take_no_more_than_their_share() -> None:
    taken = 0.0
    for family in range(1, 500):
        promise = promise_of(spec(), PAIRS, family)
        assert promise is not None
        taken += float(betainc(180, 821, 2 * promise.rater_error))
    assert taken <= 0.05 * RATER_ALPHA_SHARE


def test_what_is_told_of_raters_is_what_the_evidence_in_force_began_with() -> None:
    first, later = promise_of(spec(), PAIRS, 1), promise_of(spec(), Pairs(2000, 360), 2)
    assert first is not None
    assert later is not None
    begun = judged(first, None, 0, 0, right(25))
    told = published(spec(), judged(later, begun, 0, 0, right(25, first=25)))
    assert told.rater_error == pytest.approx(first.rater_error)
    assert told.rater_error < later.rater_error


@given(st.floats(0.5, 0.999), st.sampled_from([PAIRS, Pairs(0, 0), Pairs(50, 0), Pairs(50, 20)]))
@quick
def test_the_raters_limit_is_paid_for_out_of_the_confidence(confidence: float, pairs: Pairs) -> None:
    promise = promise_of(spec(confidence=confidence), pairs)
    assert promise is not None
    paid = RATER_ALPHA_SHARE if promise.rater_error else 0.0
    assert promise.alpha == pytest.approx((1 - confidence) * (1 - paid))
    assert bool(promise.rater_error) == bool(pairs.disagreements)


@pytest.mark.parametrize(("release", "candidates", "family"), [(0, 0, 1), (0, 4, 1), (1, 1, 2), (3, 5, 6)])
def test_a_promise_made_late_pays_for_the_candidates_there_were(
    release: int, candidates: int, family: int
) -> None:
    late = judged(PROMISE, None, release, candidates, [])
    assert late.gate.family == family
    if release:
        assert judged(PROMISE, standing(), release, candidates, []).gate.family == family


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=6))
@settings(max_examples=30, deadline=None)
def test_no_family_is_used_twice(steps: list[tuple[int, bool]]) -> None:
    now, seq, candidates, used = standing(), 0, 0, [1]
    for refused, is_bad in steps:
        candidates += refused + 1
        now = judged(PROMISE, now, candidates, candidates, [])
        used.append(now.gate.family)
        assert now.gate.family > candidates
        audits = [*right(100, first=seq), *(wrong(60, first=seq + 100) if is_bad else [])]
        now, seq = judged(PROMISE, now, candidates, candidates, audits), seq + len(audits)
        used += range(used[-1] + 1, now.gate.family + 1)
    assert used == sorted(set(used))


def test_what_earlier_releases_had_certified_holds_for_the_last_two() -> None:
    now = standing()
    for release in range(1, 5):
        now = judged(PROMISE, now, release, release, [])
        now = judged(PROMISE, now, release, release, right(200, first=200 * release))
    told = published(spec(confidence=0.8), now)
    assert [each.release for each in told.thresholds] == [2, 3, 4]
    broken = judged(PROMISE, now, 4, 4, wrong(60, first=1000))
    assert [each.release for each in published(spec(), broken).thresholds] == [4]


def test_a_release_in_force_again_does_not_keep_its_old_threshold() -> None:
    now = judged(PROMISE, standing(), 1, 1, right(200))
    now = judged(PROMISE, now, 2, 2, right(200))
    again = judged(PROMISE, now, 1, 2, [])
    assert [each.release for each in again.earlier] == [2]


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"target": 0.1}, True),
        ({"confidence": 0.9}, True),
        ({"raters": 3}, True),
        ({"labels": ["a", "b"]}, True),
        ({"rater_error": 0.1}, True),
        ({"audit_rate": 0.5}, False),
    ],
)
def test_evidence_serves_the_promise_it_was_gathered_for(change: dict[str, object], anew: bool) -> None:
    other = Promise(**{"target": 0.2, "confidence": 0.8, **change})  # type: ignore[arg-type]
    before = judged(PROMISE, standing(), 1, 1, right(200))
    assert starts_anew(other, before, 1) == anew
    after = judged(other, before, 1, 1, [])
    assert after.gate.is_open != anew
    assert after.earlier == []


def test_before_the_first_release_raw_votes_are_not_what_is_judged() -> None:
    told = published(spec(), judged(PROMISE, None, 0, 0, wrong(60)))
    fresh = published(spec(), judged(PROMISE, None, 0, 0, []))
    assert told.sentence == (
        "Nothing is accepted before the first release; people have decided 60 audits for it."
    )
    assert (told.audits, told.audit_errors) == (60, 60)
    assert told.audits_missing == fresh.audits_missing > 0
    assert (
        "before the first release" not in published(spec(), judged(PROMISE, None, 1, 1, wrong(60))).sentence
    )


def test_the_confidence_told_is_the_operators() -> None:
    promise = promise_of(spec(confidence=0.9), PAIRS)
    assert promise is not None
    assert promise.confidence > 0.9
    assert published(spec(confidence=0.9), judged(promise, None, 0, 0, [])).confidence == 0.9
