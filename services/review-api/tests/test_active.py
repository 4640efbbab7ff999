"""What counts as work: sequences of what the server sees of a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_api.care.active import Sign, Stretch, Timeline, most_seconds, project_pace

NO_LIMIT = 600.0


def decision(at: float, seconds: float) -> Sign:
    return Sign(at, "decision", "p", seconds)


def touch(at: float) -> Sign:
    return Sign(at, "input")


def worked(*signs: Sign, most: float = NO_LIMIT) -> float:
    timeline = Timeline()
    return sum(timeline.add(sign, most) for sign in signs)


def test_decisions_one_after_the_other_count_from_claim_to_decision() -> None:
    assert worked(decision(10, 10), decision(15, 5), decision(40, 25)) == 40


def test_waiting_for_a_task_is_no_work() -> None:
    assert worked(decision(10, 10), decision(1000, 5)) == 15


def test_a_long_silence_counts_its_first_minute() -> None:
    assert worked(decision(500, 500)) == 60


def test_input_in_between_counts_all_of_the_time() -> None:
    assert worked(*(touch(at) for at in range(30, 500, 30)), decision(500, 500)) == 500


def test_lunch_in_the_middle_of_a_text_counts_a_minute() -> None:
    """Ten minutes of reading, an hour away, and a minute more."""
    reading = [touch(at) for at in range(30, 601, 30)]
    assert worked(*reading, touch(4200), decision(4260, 4260), most=3600) == 600 + 60 + 60


def test_input_without_a_decision_earns_nothing() -> None:
    assert worked(*(touch(at) for at in range(0, 36000, 30))) == 0


def test_a_client_that_lies_gains_no_more_than_the_limit_of_a_piece() -> None:
    lies = [touch(at) for at in range(0, 600, 30)]
    assert worked(*lies, decision(600, 600), most=75) == 75


def test_what_is_sent_many_times_counts_once() -> None:
    assert worked(decision(10, 10), decision(10, 10), decision(8, 8), decision(12, 12)) == 12


def test_checks_and_skips_are_work_like_decisions() -> None:
    for between in (Sign(20, "check", "p", 10), Sign(20, "skip", "p")):
        assert worked(decision(10, 10), between, decision(30, 10)) == 30, between.kind
        assert worked(decision(10, 10), between, decision(30, 20)) == 30, f"{between.kind}, fetched ahead"
    assert worked(decision(10, 10), Sign(9000, "skip", "p")) == 70


def test_work_is_placed_at_its_end_so_that_an_absence_is_a_pause() -> None:
    timeline = Timeline()
    for sign in (decision(10, 10), decision(20, 10), decision(620, 600)):
        timeline.add(sign, NO_LIMIT)
    assert timeline.stretches == [Stretch(0, 20), Stretch(560, 620)]


def test_what_is_long_ago_is_forgotten() -> None:
    timeline = Timeline()
    for at in (100, 200, 300):
        timeline.add(decision(at, 10), NO_LIMIT)
    timeline.forget(200)
    assert timeline.stretches == [Stretch(290, 300)]


@given(
    st.lists(
        st.tuples(st.floats(0, 1e5), st.sampled_from(["input", "decision", "skip"]), st.floats(0, 600)),
        max_size=40,
    ),
    st.floats(1, 600),
)
def test_nobody_works_more_than_time_passes_and_stretches_never_overlap(
    seen: list[tuple[float, str, float]], most: float
) -> None:
    timeline, total, pieces = Timeline(), 0.0, 0
    for at, kind, seconds in sorted(seen):
        gained = timeline.add(Sign(at, kind, "p", seconds), most)  # type: ignore[arg-type]
        assert 0 <= gained <= most
        total += gained
        pieces += kind != "input"
    assert total <= most * pieces
    ends = [moment for stretch in timeline.stretches for moment in (stretch.begin, stretch.end)]
    assert ends == sorted(ends)
    if ends:
        assert total <= ends[-1] - ends[0] + 1e-6


def test_the_limit_follows_the_pace_and_cannot_be_drawn_out() -> None:
    assert most_seconds(None, None, 600) == 600
    assert most_seconds(None, 3, 600) == 60, "a minute for anybody"
    assert most_seconds(None, 30, 600) == 150
    assert most_seconds(10, 30, 600) == 150, "who is fast has as much time as others"
    assert most_seconds(50, 30, 600) == 250, "who is slow has more"
    assert most_seconds(550, 30, 600) == 300, "up to a point"
    assert most_seconds(550, 300, 600) == 600


def test_a_project_has_the_pace_of_most_of_its_people() -> None:
    assert project_pace([]) is None
    assert project_pace([3, 4, 600]) == pytest.approx(4)
