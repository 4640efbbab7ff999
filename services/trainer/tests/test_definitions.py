"""A promise's evidence is about one machine under one set of rules: what changes either."""

import pytest
from labelmill.events import ProjectPublished
from labelmill.projects import (
    AlwaysReview,
    Example,
    LabelSpec,
    PolicySpec,
    ProjectSpec,
    TrainingSpec,
    VoterSpec,
)
from labelmill.promise.gate import Audit, Promise
from labelmill.promise.standing import Standing, judged, published
from msgspec.structs import replace
from trainer.definitions import Definition, carried_over, definition_of

CHEAP = VoterSpec(name="cheap", type="llm", model="m", input_usd_per_mtok=0.1, output_usd_per_mtok=0.2)
DEAR = VoterSpec(name="dear", type="llm", model="n", input_usd_per_mtok=3.0, output_usd_per_mtok=9.0)
SPEC = ProjectSpec(
    project="p",
    title="P",
    labels=[LabelSpec(name="a"), LabelSpec(name="b")],
    guideline="Say which.",
    voters=[CHEAP, DEAR],
    policy=PolicySpec(target_error=0.02),
)
EVENT = ProjectPublished(project="p", version=1, guideline_version=1, spec=SPEC)
NOW = definition_of(EVENT)


def with_voters(*voters: VoterSpec) -> ProjectPublished:
    return replace(EVENT, version=2, spec=replace(SPEC, voters=list(voters)))


def with_policy(policy: PolicySpec) -> ProjectPublished:
    return replace(EVENT, version=2, spec=replace(SPEC, policy=policy))


@pytest.mark.parametrize(
    "event",
    [
        replace(EVENT, guideline_version=2),
        with_voters(replace(CHEAP, model="other"), DEAR),
        with_voters(replace(CHEAP, examples=[Example(content="x", label="a")]), DEAR),
        with_voters(CHEAP),
    ],
)
def test_another_question_or_another_voter_is_another_machine(event: ProjectPublished) -> None:
    assert definition_of(event).machine != NOW.machine


@pytest.mark.parametrize(
    "event",
    [
        with_policy(replace(SPEC.policy, disagreement=False)),
        with_policy(replace(SPEC.policy, always_review=AlwaysReview(labels=["a"]))),
        with_voters(replace(CHEAP, input_usd_per_mtok=5.0), DEAR),
    ],
)
def test_what_may_be_accepted_and_who_is_asked_first_are_rules(event: ProjectPublished) -> None:
    found = definition_of(event)
    assert found.machine == NOW.machine
    assert found.rules != NOW.rules


@pytest.mark.parametrize(
    "event",
    [
        replace(EVENT, version=2, spec=replace(SPEC, title="Q", training=TrainingSpec(min_decisions=7))),
        with_policy(replace(SPEC.policy, audit_rate=0.1, confidence=0.9)),
        with_voters(replace(CHEAP, input_usd_per_mtok=0.2, mode="batch", batch_discount=0.5), DEAR),
    ],
)
def test_the_rest_changes_nothing(event: ProjectPublished) -> None:
    assert definition_of(event) == NOW


def right(count: int, first: int = 1) -> list[Audit]:
    return [Audit(seq=first + number, score=0.999, error=False) for number in range(count)]


def opened() -> Standing:
    standing = judged(Promise(target=0.02), None, 1, 0, right(600))
    assert standing.gate.is_open
    return replace(standing, earlier=published(SPEC, standing).thresholds)


def test_another_machine_has_no_evidence_until_it_is_audited() -> None:
    before = opened()
    after = carried_over(before, NOW, NOW._replace(machine="other"))
    again = judged(before.promise, after, 1, 0, right(600))
    assert not again.gate.is_open
    assert (again.earlier, again.gate.evidence[""].total) == ([], 0)
    assert again.gate.family == before.gate.family + 1
    assert judged(before.promise, again, 1, 0, right(900, first=601)).gate.is_open


def test_other_rules_judge_the_audits_there_are() -> None:
    before = opened()
    after = carried_over(before, NOW, NOW._replace(rules="other"))
    assert not after.gate.is_open
    again = judged(before.promise, after, 1, 0, right(900))
    assert again.gate.is_open
    assert again.gate.family == before.gate.family + 1
    assert again.earlier == []


@pytest.mark.parametrize("kept", [NOW, Definition("", "")])
def test_the_same_definition_goes_on_and_one_that_was_not_kept_is_the_same(kept: Definition) -> None:
    before = opened()
    assert carried_over(before, kept, NOW) is before
