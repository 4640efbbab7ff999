"""The policy: thresholds, reasons, the audit draw and what it refuses."""

import math
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.errors import InvalidRecord
from labelmill.events import LabelScored, ProjectPublished, Vote
from labelmill.policy import Policy
from labelmill.projects import AlwaysReview, BudgetSpec

MakePolicy = Callable[..., Policy]
MakeScore = Callable[..., LabelScored]
MakeVote = Callable[[str], Vote]


def test_a_confident_label_is_accepted_with_the_audit_rate_as_propensity(
    policy: MakePolicy, score: MakeScore
) -> None:
    route = policy(audit_rate=1e-9).route(score(0.9))
    assert route.accepted
    assert route.propensity == 1e-9
    assert not route.blind


def test_below_the_threshold_people_decide(policy: MakePolicy, score: MakeScore) -> None:
    route = policy().route(score(math.nextafter(0.9, 0)))
    assert route[:3] == (["low_confidence"], 1.0, False)


@pytest.mark.parametrize(
    ("confidence", "reasons"),
    [(0.95, []), (0.94, ["cold_start"]), (0.90, ["cold_start"]), (0.89, ["low_confidence"])],
)
def test_before_the_first_release_the_cold_start_threshold_holds(
    policy: MakePolicy, score: MakeScore, confidence: float, reasons: list[str]
) -> None:
    assert policy().route(score(confidence, release=0)).reasons == reasons


def test_a_lower_cold_start_threshold_is_taken_at_its_word(policy: MakePolicy, score: MakeScore) -> None:
    lenient = policy(cold_start_threshold=0.6)
    assert lenient.route(score(0.7, release=0)).accepted
    assert lenient.route(score(0.5, release=0)).reasons == ["low_confidence"]


def test_voters_that_differ_go_to_people_only_if_the_policy_says_so(
    policy: MakePolicy, score: MakeScore, vote: MakeVote
) -> None:
    split = score(votes=[vote("positive"), vote("negative")])
    assert policy().route(split).reasons == ["disagreement"]
    assert policy(disagreement=False).route(split).accepted
    assert policy().route(score(votes=[vote("positive"), vote("positive")])).accepted


@pytest.mark.parametrize(("when_spent", "reasons"), [("people", ["budget"]), ("cheaper", []), ("park", [])])
def test_a_label_without_its_paid_voters_goes_to_people_if_the_budget_says_so(
    project: Callable[..., ProjectPublished], score: MakeScore, when_spent: str, reasons: list[str]
) -> None:
    event = project()
    budget = BudgetSpec(usd_per_day=1.0, when_spent=when_spent)  # type: ignore[arg-type]
    spec = msgspec.structs.replace(event.spec, budget=budget)
    capped = Policy.of(msgspec.structs.replace(event, spec=spec))
    short = msgspec.structs.replace(score(0.99), over_budget=True)
    assert capped.route(short).reasons == reasons
    assert capped.route(score(0.99)).accepted


def test_a_text_that_seems_to_instruct_the_llm_goes_to_people(policy: MakePolicy, score: MakeScore) -> None:
    marked = msgspec.structs.replace(score(0.99), suspicious=True)
    assert policy().route(marked).reasons == ["suspicious"]
    unsure = msgspec.structs.replace(score(0.5), suspicious=True)
    assert policy().route(unsure).reasons == ["suspicious", "low_confidence"]


def test_always_review_by_label_and_by_slice(policy: MakePolicy, score: MakeScore) -> None:
    by_label = policy(always_review=AlwaysReview(labels=["negative"]))
    assert by_label.route(score(label="negative")).reasons == ["always_review"]
    assert by_label.route(score(label="positive")).accepted
    by_slice = policy(always_review=AlwaysReview(metadata={"lang": ["de", "fr"]}))
    assert by_slice.route(score(metadata={"lang": "fr"})).reasons == ["always_review"]
    assert by_slice.route(score(metadata={"lang": "en"})).accepted
    assert by_slice.route(score()).accepted


def test_every_reason_is_kept_the_gravest_first(policy: MakePolicy, score: MakeScore, vote: MakeVote) -> None:
    strict = policy(always_review=AlwaysReview(labels=["positive"]), audit_rate=1.0)
    route = strict.route(score(0.5, votes=[vote("positive"), vote("negative")]))
    assert route.reasons == ["always_review", "disagreement", "low_confidence"]
    assert route.propensity == 1.0
    assert not route.blind


def test_an_audit_is_blind_and_keeps_the_rate_as_propensity(policy: MakePolicy, score: MakeScore) -> None:
    assert policy(audit_rate=1.0).route(score())[:3] == (["audit"], 1.0, True)
    rule = policy(audit_rate=0.2)
    audited = [route for i in range(200) if not (route := rule.route(score(item_id=str(i)))).accepted]
    assert all(route[:3] == (["audit"], 0.2, True) for route in audited)
    assert 20 < len(audited) < 60


def test_the_audit_draw_depends_on_seed_and_item_alone(policy: MakePolicy, score: MakeScore) -> None:
    def drawn(seed: str, confidence: float) -> list[bool]:
        rule = policy(audit_rate=0.3, audit_seed=seed)
        return [not rule.route(score(confidence, item_id=f"item-{i}")).accepted for i in range(300)]

    assert drawn("a", 0.95) == drawn("a", 0.99)
    assert drawn("a", 0.95) != drawn("b", 0.95)


def test_audit_rates_are_met(policy: MakePolicy, score: MakeScore) -> None:
    rule = policy(audit_rate=0.05)
    share = sum(not rule.route(score(item_id=f"item-{i}")).accepted for i in range(20_000)) / 20_000
    assert abs(share - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 20_000)


@given(
    confidence=st.floats(0, 1),
    threshold=st.floats(0, 1),
    cold=st.floats(0, 1),
    rate=st.floats(0, 1),
    release=st.integers(0, 3),
    item=st.text(max_size=8).filter(str.isprintable),
)
def test_every_route_is_consistent(
    policy: MakePolicy,
    score: MakeScore,
    confidence: float,
    threshold: float,
    cold: float,
    rate: float,
    release: int,
    item: str,
) -> None:
    rule = policy(accept_threshold=threshold, cold_start_threshold=cold, audit_rate=rate)
    it = score(confidence, release=release, item_id=item)
    route = rule.route(it)
    assert route == rule.route(it)
    assert 0.0 <= route.propensity <= 1.0
    assert route.blind == (route.reasons == ["audit"])
    if route.accepted:
        assert confidence >= (cold if release == 0 else threshold)
        assert route.propensity == rate
    elif not route.blind:
        assert route.propensity == 1.0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"label": "neutral"}, "label_outside_set"),
        ({"label": ["positive"]}, "label_outside_set"),
        ({"kind": "spans"}, "unknown_kind"),
        ({"confidence": math.nan}, "invalid_confidence"),
        ({"confidence": 1.5}, "invalid_confidence"),
        ({"confidence": -0.1}, "invalid_confidence"),
        ({"confidence": math.inf}, "invalid_confidence"),
    ],
)
def test_scores_that_no_policy_can_take(
    policy: MakePolicy, score: MakeScore, bad: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidRecord) as caught:
        policy().route(msgspec.structs.replace(score(), **bad))
    assert caught.value.reason == reason


def test_a_project_of_a_kind_this_build_does_not_know(policy: MakePolicy) -> None:
    with pytest.raises(InvalidRecord, match="unknown_kind"):
        policy(kind="holograms")
