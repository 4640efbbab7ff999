"""Recorded routes under other policies: the one in force gives what was recorded, others what they would."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.acceptance import Acceptance, Threshold
from labelmill.errors import InvalidRecord
from labelmill.events import ProjectPublished
from labelmill.policy import Policy
from labelmill.projects import AlwaysReview, BudgetSpec, LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from labelmill.promise.gate import LOOK, Audit
from labelmill.promise.raters import Pairs
from labelmill.promise.standing import judged, promise_of, published
from labelmill_cli.replaying.economy import usd_per_correct
from labelmill_cli.replaying.recorded import Recorded, RecordedVote
from labelmill_cli.replaying.replay import Replay, replayed
from labelmill_cli.replaying.survey import Survey
from labelmill_cli.replaying.tally import Rates

RATES = Rates(minutes_per_decision=0.5, usd_per_hour=12.0)
LABELS = ("positive", "negative")


def project(version: int = 1, when_spent: str = "park", **policy: Any) -> ProjectPublished:
    spec = ProjectSpec(
        project="tweets",
        title="T",
        labels=[LabelSpec(name=name) for name in LABELS],
        guideline="Say which.",
        voters=[VoterSpec(name="llm", type="llm", model="m")],
        policy=PolicySpec(**policy),
        budget=BudgetSpec(usd_per_day=1.0, when_spent=when_spent),  # type: ignore[arg-type]
    )
    return ProjectPublished(project="tweets", version=version, guideline_version=1, spec=spec)


def scored(number: int, confidence: float, **fields: Any) -> Recorded:
    """A score without a route yet."""
    known: dict[str, Any] = {
        "item_id": f"i{number}",
        "guideline_version": 1,
        "metadata": {},
        "label": "positive",
        "confidence": confidence,
        "votes": [RecordedVote("llm", "positive")],
        "calibrated": True,
        "over_budget": False,
        "suspicious": False,
        "release": 1,
        "outcome": "accepted",
        "reasons": [],
        "propensity": 0.0,
        "cost_usd": 0.001,
        "project_version": 1,
        "routed_at": number,
        "blind": False,
        "audit_rate": 0.0,
        "decided_label": None,
        "decided_at": None,
        "decisions": 0,
    }
    return Recorded(**{**known, **fields})


def routed(line: Recorded, policy: Policy, truth: str | None = None) -> Recorded:
    """Return the score with the route that `policy` gives it; people then decide that it is `truth`."""
    route = policy.route(line.score(policy.project, policy.kind_name))
    decided = truth is not None and not route.accepted
    return msgspec.structs.replace(
        line,
        outcome="accepted" if route.accepted else "requested",
        reasons=route.reasons,
        propensity=route.propensity,
        project_version=policy.project_version,
        blind=route.blind,
        audit_rate=route.audit_rate,
        decided_label=truth if decided else None,
        decided_at=line.routed_at + 1 if decided else None,
        decisions=route.decisions_needed if decided else 0,
    )


def replay(lines: Iterable[Recorded], tried: ProjectPublished, *versions: ProjectPublished) -> Replay:
    kept, survey = list(lines), Survey()
    for line in kept:
        survey.add(line)
    return replayed(kept, survey, tried, {each.version: each for each in versions}, RATES)


rates = st.floats(0.0, 1.0)
policies = st.fixed_dictionaries(
    {
        "accept_threshold": rates,
        "cold_start_threshold": rates,
        "audit_rate": rates,
        "disagreement": st.booleans(),
        "decisions_per_task": st.integers(1, 3),
        "audit_raters": st.integers(1, 3),
        "always_review": st.sampled_from(
            [AlwaysReview(), AlwaysReview(labels=["negative"]), AlwaysReview(metadata={"lang": ["de"]})]
        ),
    }
)
scores = st.builds(
    scored,
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.999999, 1.0]) | rates,
    label=st.sampled_from(LABELS),
    metadata=st.sampled_from([{}, {"lang": "de"}, None]),
    votes=st.lists(st.builds(RecordedVote, st.just("v"), st.sampled_from(LABELS)), max_size=3),
    calibrated=st.booleans(),
    over_budget=st.booleans(),
    suspicious=st.booleans(),
    release=st.integers(0, 2),
)


@given(st.lists(scores, min_size=1, max_size=20), policies, st.sampled_from(["park", "people"]))
def test_the_policy_that_was_in_force_gives_what_was_recorded(
    lines: list[Recorded], policy: dict[str, Any], when_spent: str
) -> None:
    present = project(when_spent=when_spent, **policy)
    recorded = [routed(line, Policy.of(present), truth="positive") for line in lines]
    found = replay(recorded, msgspec.structs.replace(present, version=2), present)
    assert found.reproduced == len(lines)
    assert found.tried == found.recorded
    assert (found.newly_accepted, found.newly_people) == (0, 0)


acceptances: st.SearchStrategy[Acceptance] = st.builds(
    lambda state, thresholds, audit_rate: Acceptance(
        state=state,
        thresholds=thresholds if state != "alarm" else [],
        audit_rate=audit_rate,
        audits=0,
        audit_errors=0,
        audits_missing=0,
        error_bound=1.0,
        alarms=0,
        sentence="",
        target_error=0.02,
        confidence=0.95,
    ),
    st.sampled_from(["gathering", "open", "alarm"]),
    st.lists(
        st.builds(Threshold, release=st.integers(1, 2), confidence=st.sampled_from([0.5, 0.9, 2.0])),
        max_size=2,
    ),
    rates,
)


@given(st.lists(st.tuples(scores, st.none() | acceptances), min_size=1, max_size=20), policies)
def test_a_promise_that_was_in_force_is_replayed_on_the_evidence_it_had(
    lines: list[tuple[Recorded, Acceptance | None]], policy: dict[str, Any]
) -> None:
    policy = {**policy, "audit_rate": 0.02, "target_error": 0.02}
    present = project(**policy)
    recorded = [routed(line, Policy.of(present, known), truth="negative") for line, known in lines]
    found = replay(recorded, msgspec.structs.replace(present, version=2), present)
    assert found.reproduced == len(lines)
    assert found.evidence is None
    assert found.tried == found.recorded


def test_other_rules_under_the_same_promise_keep_its_evidence() -> None:
    present = project(target_error=0.02)
    tried = project(version=2, target_error=0.02, disagreement=False)
    known = Acceptance(
        state="open",
        thresholds=[Threshold(release=1, confidence=0.9)],
        audit_rate=0.1,
        audits=0,
        audit_errors=0,
        audits_missing=0,
        error_bound=0.01,
        alarms=0,
        sentence="",
        target_error=0.02,
        confidence=0.95,
    )
    split = [RecordedVote("a", "positive"), RecordedVote("b", "negative")]
    lines = [scored(n, 0.8 + 0.19 * (n % 2), votes=split) for n in range(400)]
    recorded = [routed(line, Policy.of(present, known), truth="positive") for line in lines]
    found = replay(recorded, tried, present)
    expected = [Policy.of(tried, known).route(line.score("tweets", "choice")) for line in lines]
    assert found.recorded.accepted == 0
    assert found.tried.accepted == sum(route.accepted for route in expected) > 150
    assert found.tried.audits == sum(route.reasons == ["audit"] for route in expected) > 5
    assert found.tried.reasons["low_confidence"] == 200


def test_what_was_withdrawn_counts_as_accepted_unless_the_policy_has_another_reason() -> None:
    present = project(target_error=0.02)
    waiting = [
        msgspec.structs.replace(
            routed(scored(n, 0.99, label=LABELS[n % 2]), Policy.of(present)), withdrawn=True, audit_rate=0.0
        )
        for n in range(10)
    ]
    found = replay(waiting, project(version=2, target_error=0.02), present)
    assert (found.reproduced, found.recorded.accepted, found.recorded.released) == (10, 10, 10)
    assert found.tried == found.recorded
    strict = AlwaysReview(labels=["negative"])
    found = replay(waiting, project(version=2, target_error=0.02, always_review=strict), present)
    assert (found.tried.accepted, found.tried.people, found.newly_people) == (5, 5, 5)
    assert found.tried.reasons == {"always_review": 5}


def test_what_was_released_is_judged_by_what_people_decided_of_the_like() -> None:
    present = project(target_error=0.02)
    waiting = Policy.of(present)
    lines = []
    for number in range(300):
        line = scored(number, 0.5 + 0.5 * (number % 100) / 100, label=LABELS[number % 2])
        if number < 200:
            lines.append(routed(line, waiting, truth=LABELS[(number + (number % 20 == 19)) % 2]))
        elif line.confidence >= 0.9:
            lines.append(msgspec.structs.replace(routed(line, waiting), withdrawn=True, audit_rate=0.0))
    found = replay(lines, msgspec.structs.replace(present, version=2), present)
    error = found.recorded.error
    # 20 of each hundred are as sure as those released.
    assert (found.recorded.released, error.labels, error.decided, error.blind) == (20, 20, 40, 40)
    assert error.unknown == 0
    assert error.error == pytest.approx(sum(line.wrong or 0 for line in lines if line.confidence >= 0.9) / 40)
    assert found.tried == found.recorded


def stream(
    policy: Policy, count: int, wrong: Callable[[float], float], seed: int = 1, **fields: Any
) -> list[Recorded]:
    """Scores spread evenly, each wrong with a probability that depends on its confidence."""
    draws = random.Random(seed)
    lines = []
    for number in range(count):
        confidence = draws.random()
        truth = "negative" if draws.random() < wrong(confidence) else "positive"
        lines.append(routed(scored(number, confidence, **fields), policy, truth))
    return lines


def test_a_lower_threshold_is_judged_by_what_people_decided_below_the_old_one() -> None:
    present = project(accept_threshold=0.8, audit_rate=0.2)
    lines = stream(Policy.of(present), 4000, lambda confidence: 1.0 - confidence, seed=2)
    found = replay(lines, project(version=2, accept_threshold=0.5, audit_rate=0.2), present)
    assert found.newly_people == 0
    assert found.newly_accepted == pytest.approx(0.3 * 0.8 * 4000, rel=0.1)
    recorded, tried = found.recorded.error, found.tried.error
    assert recorded.error is not None
    assert tried.error is not None
    assert recorded.low < 0.1 < recorded.high
    assert tried.low < 0.25 < tried.high
    assert tried.error == pytest.approx(0.25, abs=0.03)
    assert tried.blind == recorded.decided
    assert found.tried.usd < found.recorded.usd


def test_money_is_the_machines_and_the_peoples_by_accepted_and_right_label() -> None:
    present = project(accept_threshold=0.8, audit_rate=0.2)
    lines = stream(Policy.of(present), 500, lambda confidence: 0.0)
    outcome = replay(lines, project(version=2, accept_threshold=0.8, audit_rate=0.2), present).tried
    assert outcome.machine_usd == pytest.approx(0.5)
    assert outcome.people_minutes == outcome.decisions * 0.5 == outcome.people * 0.5
    assert outcome.people_usd == pytest.approx(outcome.people * 0.1)
    assert outcome.usd_per_accepted_correct == pytest.approx(outcome.usd / outcome.accepted)
    assert usd_per_correct(10.0, 100, 0.2) == pytest.approx(0.125)
    assert usd_per_correct(10.0, 100, None) is usd_per_correct(10.0, 0, 0.0) is None


def test_where_nobody_looked_nothing_is_stated() -> None:
    present = project(accept_threshold=0.5, audit_rate=0.0)
    lines = stream(Policy.of(present), 500, lambda confidence: 0.0)
    found = replay(lines, project(version=2, accept_threshold=0.5, audit_rate=0.1), present)
    error = found.tried.error
    assert (error.error, error.decided, error.unknown) == (None, 0, error.labels)
    assert (error.low, error.high) == (0.0, 1.0)
    assert found.tried.usd_per_accepted_correct is None
    partly = replay(lines, project(version=2, accept_threshold=0.0, audit_rate=0.1), present).tried.error
    assert partly.error is None
    assert partly.unknown == error.labels < partly.labels
    assert 0.4 < partly.high < 0.6


def test_labels_outside_the_set_are_refused() -> None:
    present = project()
    lines = [routed(scored(1, 0.5), Policy.of(present))]
    spec = msgspec.structs.replace(present.spec, labels=[LabelSpec(name="a"), LabelSpec(name="b")])
    with pytest.raises(InvalidRecord, match="label_outside_set"):
        replay(lines, msgspec.structs.replace(present, version=2, spec=spec), present)


def certified(lines: Sequence[Recorded], tried: ProjectPublished) -> Acceptance:
    """What the gate says of these audits of release 1, all at once."""
    promise = promise_of(tried.spec, Pairs(0, 0))
    assert promise is not None
    audits = [
        Audit(seq, line.confidence, bool(line.wrong), line.label, False, 1.0)  # type: ignore[arg-type]
        for seq, line in enumerate(lines)
    ]
    standing = judged(promise, judged(promise, None, 0, 1, []), 1, 1, audits)
    return published(tried.spec, standing)


def test_a_new_promise_is_certified_by_the_audits_of_another() -> None:
    present = project(target_error=0.001, max_audit_rate=1.0)
    lines = stream(Policy.of(present), 3000, lambda confidence: 0.0 if confidence > 0.6 else 0.5)
    assert all(line.blind for line in lines)
    tried = project(version=2, target_error=0.05)
    found = replay(lines, tried, present)
    assert found.evidence is not None
    assert found.evidence.since is not None
    assert not found.evidence.is_limited
    known = certified(lines, tried)
    assert found.evidence.thresholds == known.thresholds
    assert 0.5 < known.thresholds[0].confidence < 0.7
    opened = found.evidence.opened_at
    assert opened is not None
    assert opened % LOOK == 0
    assert found.evidence.since.items == sum(line.routed_at >= opened for line in lines)
    assert found.evidence.since.accepted == found.tried.accepted > 0
    assert found.evidence.since.error.high < 0.05
    assert found.evidence.sentence.startswith("At most 5% of accepted labels differ from what one person")
    unproven = replay(lines[:100], tried, present).evidence
    assert unproven is not None
    assert unproven.since is None
    assert unproven.state == "gathering"


def test_a_promise_accepts_no_more_than_was_ever_audited() -> None:
    present = project(accept_threshold=0.7, audit_rate=0.5)
    lines = stream(Policy.of(present), 3000, lambda confidence: 0.0)
    found = replay(lines, project(version=2, target_error=0.05), present)
    assert found.evidence is not None
    assert found.evidence.since is not None
    assert found.evidence.is_limited
    assert found.evidence.thresholds[0].confidence < 0.7
    since = found.evidence.since
    # Nothing is accepted below 0.5, and from 0.5 to 0.7 nobody drew anything.
    assert since.reasons["never_audited"] == pytest.approx(0.2 * since.items, rel=0.1)
    assert since.accepted + since.audits == since.error.labels
    assert since.error.high < 0.02


def test_each_release_begins_without_evidence() -> None:
    present = project(target_error=0.001, max_audit_rate=1.0)
    first = stream(Policy.of(present), 2000, lambda confidence: 0.0)
    later = [
        msgspec.structs.replace(line, release=2, routed_at=line.routed_at + 3000) for line in first[:100]
    ]
    found = replay([*first, *later], project(version=2, target_error=0.05), present)
    assert found.evidence is not None
    assert found.evidence.since is not None
    assert [each.release for each in found.evidence.thresholds] == [1]
    assert found.evidence.since.reasons["cold_start"] == 100


def test_what_a_replay_cannot_try_is_said() -> None:
    present = project()
    lines = [routed(scored(1, 0.5), Policy.of(present))]
    spec = msgspec.structs.replace(present.spec, guideline="Other.")
    found = replay(lines, msgspec.structs.replace(present, version=2, spec=spec), present)
    assert [note.rpartition(": ")[2] for note in found.notes] == ["guideline"]


def test_prices_that_applying_filled_in_are_no_difference() -> None:
    present = project()
    lines = [routed(scored(1, 0.5), Policy.of(present))]
    voters = [msgspec.structs.replace(voter, input_usd_per_mtok=1.0) for voter in present.spec.voters]
    priced = msgspec.structs.replace(present, spec=msgspec.structs.replace(present.spec, voters=voters))
    assert replay(lines, present, priced).notes == []
