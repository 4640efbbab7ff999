"""Routed events: spliced bytes decode to exactly what the contract's own structs would."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill import ids
from labelmill.events import EventDecoder, LabelAccepted, LabelScored, ReviewRequested, Vote, encode
from labelmill.policy import Policy
from router.routing import routed

MakePolicy = Callable[..., Policy]
MakeScore = Callable[..., LabelScored]
Outcome = type[LabelAccepted] | type[ReviewRequested]

_CASES: list[tuple[dict[str, object], Outcome]] = [
    ({"audit_rate": 0.0}, LabelAccepted),
    ({"audit_rate": 1.0, "decisions_per_task": 3}, ReviewRequested),
    ({"accept_threshold": 1.0}, ReviewRequested),
]


def by_the_contract(rule: Policy, it: LabelScored, outcome: Outcome) -> LabelAccepted | ReviewRequested:
    route = rule.route(it)
    fields: dict[str, object] = {
        "project": it.project,
        "event_id": ids.event_id("routed", it.event_id),
        "item_id": it.item_id,
        "reasons": route.reasons,
        "propensity": route.propensity,
        "project_version": 3,
        "score": it,
        "routed_at": 123,
    }
    if outcome is ReviewRequested:
        fields |= {"blind": route.blind, "decisions_needed": rule.decisions_needed}
    return outcome(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("fields", "outcome"), _CASES)
def test_the_splice_equals_the_contract(
    policy: MakePolicy, score: MakeScore, fields: dict[str, object], outcome: Outcome
) -> None:
    rule, it = policy(**fields), score()
    result = routed(rule, it, encode(it), 123)
    contract = by_the_contract(rule, it, outcome)
    assert EventDecoder(outcome).decode(result.value) == contract
    assert msgspec.json.decode(result.value) == msgspec.json.decode(encode(contract))


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_shares = st.dictionaries(_texts, st.floats(0, 1), max_size=3)
_votes = st.builds(
    Vote,
    voter=_texts,
    version=_texts,
    source=_texts,
    label=_texts,
    confidence=st.floats(0, 1),
    probabilities=_shares,
)
_scores = st.builds(
    LabelScored,
    project=st.just("tweets"),
    event_id=_texts,
    item_id=_texts,
    content_hash=_texts,
    kind=st.just("choice"),
    label=st.just("positive"),
    confidence=st.floats(0, 1),
    probabilities=_shares,
    votes=st.lists(_votes, max_size=3),
    guideline_version=st.integers(0, 2**31),
    release=st.integers(0, 5),
    metadata=st.dictionaries(_texts, _texts, max_size=3),
)


@given(it=_scores, case=st.sampled_from(_CASES))
def test_any_score_survives_the_splice(
    policy: MakePolicy, it: LabelScored, case: tuple[dict[str, object], Outcome]
) -> None:
    rule = policy(**case[0])
    outcome: Outcome = LabelAccepted if rule.route(it).accepted else ReviewRequested
    value = routed(rule, it, encode(it), 123).value
    assert EventDecoder(outcome).decode(value) == by_the_contract(rule, it, outcome)


def test_unknown_fields_stay_in_the_lineage(policy: MakePolicy, score: MakeScore) -> None:
    document = msgspec.json.decode(encode(score())) | {"novelty": {"deep": [1, 2]}}
    result = routed(policy(), score(), msgspec.json.encode(document), 1)
    assert msgspec.json.decode(result.value)["score"]["novelty"] == {"deep": [1, 2]}


def test_the_event_id_depends_on_the_score_alone(policy: MakePolicy, score: MakeScore) -> None:
    def event_id(rule: Policy, now_ms: int) -> str:
        return str(msgspec.json.decode(routed(rule, score(), encode(score()), now_ms).value)["event_id"])

    assert event_id(policy(), 1) == event_id(policy(audit_rate=1.0), 2)


def test_the_gravest_reason_is_what_is_counted(policy: MakePolicy, score: MakeScore) -> None:
    assert routed(policy(), score(), encode(score()), 1).reason == ""
    assert routed(policy(audit_rate=1.0), score(), encode(score()), 1).reason == "audit"
