import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.projects import TrainingSpec
from trainer.triggers import Facts, Trigger, due

HOUR = 3600 * 1000
SPEC = TrainingSpec(min_decisions=100, every_corrections=50, max_age_hours=24)
FACTS = st.builds(
    Facts,
    has_candidate=st.booleans(),
    new_decisions=st.integers(0, 500),
    new_corrections=st.integers(0, 500),
    oldest_new_at=st.integers(0, 100 * HOUR),
)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(False, 99, 99, 0), None),
        (Facts(False, 100, 0, 0), Trigger.FIRST),
        (Facts(False, 137, 0, 0), Trigger.FIRST),
        (Facts(True, 1000, 49, 30 * HOUR), None),
        (Facts(True, 51, 50, 30 * HOUR), Trigger.CORRECTIONS),
        (Facts(True, 1000, 113, 30 * HOUR), Trigger.CORRECTIONS),
        (Facts(True, 1, 0, 16 * HOUR), Trigger.AGE),
        (Facts(True, 1, 0, 16 * HOUR + 1), None),
        (Facts(True, 0, 0, 0), None),
        (Facts(False, 1, 0, 0), None),
    ],
)
def test_each_trigger_at_its_edge(facts: Facts, expected: Trigger | None) -> None:
    assert due(SPEC, facts, 40 * HOUR) is expected


@given(FACTS, st.integers(0, 50))
def test_more_decisions_and_more_time_never_call_a_training_off(facts: Facts, more: int) -> None:
    if due(SPEC, facts, 100 * HOUR):
        later = Facts(
            facts.has_candidate,
            facts.new_decisions + more,
            facts.new_corrections + more,
            facts.oldest_new_at,
        )
        assert due(SPEC, later, (100 + more) * HOUR)


@given(FACTS)
def test_nothing_new_calls_for_nothing(facts: Facts) -> None:
    assert due(SPEC, Facts(facts.has_candidate, 0, 0, 0), 1000 * HOUR) is None


@pytest.mark.parametrize(
    ("known", "new", "expected"),
    [
        (200, 99, None),
        (200, 100, Trigger.CORRECTIONS),
        (5000, 299, None),
        (5000, 300, Trigger.CORRECTIONS),
    ],
)
def test_under_a_promise_corrections_wait_for_growth(known: int, new: int, expected: Trigger | None) -> None:
    facts = Facts(True, new, 90, 30 * HOUR, known)
    assert due(SPEC, facts, 40 * HOUR, promises=True) is expected
    assert due(SPEC, facts, 40 * HOUR) is Trigger.CORRECTIONS
    assert due(SPEC, facts, 60 * HOUR, promises=True) is (expected or Trigger.AGE)
