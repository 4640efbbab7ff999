"""The schedule of modes, with a clock given by hand."""

import pytest
from labelmill_stubs.modes import Behaviour, Mode, ModeSchedule


def test_a_fault_for_a_time_gives_way_to_the_style_before() -> None:
    schedule = ModeSchedule(Mode.KEYWORD)
    schedule.set(Mode.PROSE, now=10.0, for_s=5.0)
    assert schedule.pick(14.9) == Behaviour(Mode.PROSE, Mode.KEYWORD)
    assert schedule.pick(15.0) == Behaviour(Mode.KEYWORD, Mode.KEYWORD)


def test_a_style_ends_a_fault() -> None:
    schedule = ModeSchedule(Mode.SERVER_ERROR)
    assert schedule.pick(1e9).mode is Mode.SERVER_ERROR
    schedule.set(Mode.OBEY, now=1e9)
    assert schedule.pick(1e9) == Behaviour(Mode.OBEY, Mode.OBEY)


def test_a_share_of_calls_fails_and_the_same_ones_each_time() -> None:
    def modes() -> list[Mode]:
        schedule = ModeSchedule(Mode.NORMAL, seed=3)
        schedule.set(Mode.RATE_LIMITED, now=0.0, share=0.3)
        return [schedule.pick(1.0).mode for _ in range(1000)]

    first = modes()
    assert 250 < first.count(Mode.RATE_LIMITED) < 350
    assert first == modes()


@pytest.mark.parametrize(("for_s", "share"), [(0.0, 1.0), (-1.0, 1.0), (None, 1.5), (None, -0.1)])
def test_impossible_changes_are_refused(for_s: float | None, share: float) -> None:
    with pytest.raises(ValueError, match=r"share|for_s"):
        ModeSchedule().set(Mode.HANG, now=0.0, for_s=for_s, share=share)
