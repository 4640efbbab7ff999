"""The window: only unbroken runs of finished records are committed."""

import pytest
from autolabeler.window import Lane, Window
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test


def test_commits_the_unbroken_run_only() -> None:
    window = Window(10, 1000, 10)
    lanes = {offset: window.take(0, offset, 1) for offset in (7, 8, 9)}
    lanes[8].finish(8)
    assert window.committable() == {}
    lanes[7].finish(7)
    assert window.committable() == {0: 9}
    window.committed({0: 9})
    assert window.committable() == {}
    lanes[9].finish(9)
    assert window.committable() == {0: 10}


def test_offsets_may_have_gaps() -> None:
    window = Window(10, 1000, 10)
    for offset in (3, 9):
        window.take(1, offset, 1).finish(offset)
    assert window.committable() == {1: 10}


def test_a_commit_that_failed_is_offered_again() -> None:
    window = Window(10, 1000, 10)
    window.take(0, 0, 1).finish(0)
    assert window.committable() == window.committable() == {0: 1}


def test_room_counts_unfinished_items_and_the_span() -> None:
    window = Window(3, 1000, 5)
    first = window.take(0, 0, 1)
    for offset in range(1, 3):
        window.take(0, offset, 1)
    assert not window.has_room(1, 1)
    first.finish(1)
    first.finish(2)
    assert window.has_room(2, 1)
    assert not window.has_room(3, 1), "the span would be 6"


def test_room_counts_the_bytes_of_what_is_unfinished() -> None:
    window = Window(10, 100, 10)
    window.take(0, 0, 70)
    assert not window.has_room(1, 31)
    window.take(1, 0, 30).finish(0)
    assert window.has_room(1, 30)


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("offset", [4, 5])
def test_offsets_that_do_not_rise_are_refused(offset: int, *, finished: bool) -> None:
    window = Window(10, 1000, 10)
    lane = window.take(0, 5, 1)
    if finished:
        lane.finish(5)
    with pytest.raises(ValueError, match="was taken after"):
        window.take(0, offset, 1)


def test_an_empty_window_takes_a_batch_of_any_size() -> None:
    assert Window(1, 1, 1).has_room(1000, 1000)


def test_what_was_given_up_does_not_count_and_commits_nothing() -> None:
    window = Window(1, 1000, 10)
    late = window.take(0, 5, 1)
    window.forget()
    assert not late.live
    assert window.has_room(1, 1)
    fresh = window.take(0, 5, 1)
    late.finish(5)
    assert window.committable() == {}
    assert window.unfinished == 1
    fresh.finish(5)
    assert window.committable() == {0: 6}


@given(st.permutations(range(20)))
def test_any_order_of_finishing_ends_with_everything_committed(order: list[int]) -> None:
    window = Window(100, 1000, 100)
    lanes = [window.take(0, offset, 1) for offset in range(20)]
    for offset in order:
        lanes[offset].finish(offset)
    assert window.committable() == {0: 20}
    assert window.unfinished == 0


class WindowMachine(RuleBasedStateMachine):
    """The window beside a model that keeps every record."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(1000, 10**6, 1000)
        self.next = dict.fromkeys(range(3), 0)
        self.open: dict[int, list[int]] = {partition: [] for partition in range(3)}
        self.epoch = 0
        self.finished: set[tuple[int, int, int]] = set()

    @rule(target=taken, partition=st.integers(0, 2), gap=st.integers(0, 3))
    def take(self, partition: int, gap: int) -> tuple[int, int, int, Lane]:
        offset = self.next[partition] + gap
        self.next[partition] = offset + 1
        self.open[partition].append(offset)
        return self.epoch, partition, offset, self.window.take(partition, offset, 1)

    @rule(record=taken)
    def finish(self, record: tuple[int, int, int, Lane]) -> None:
        epoch, partition, offset, lane = record
        if (epoch, partition, offset) in self.finished:
            return
        self.finished.add((epoch, partition, offset))
        lane.finish(offset)
        if epoch == self.epoch:
            self.open[partition].remove(offset)

    @rule()
    def commit(self) -> None:
        self.window.committed(self.window.committable())

    @rule()
    def forget(self) -> None:
        self.window.forget()
        self.epoch += 1
        for partition, still_open in self.open.items():
            # The records come again from the first that was not finished.
            self.next[partition] = min(still_open, default=self.next[partition])
            still_open.clear()

    @invariant()
    def never_commits_past_an_open_record(self) -> None:
        for partition, end in self.window.committable().items():
            assert all(offset >= end for offset in self.open[partition])

    @invariant()
    def counts_what_is_open(self) -> None:
        assert self.window.unfinished == sum(len(offsets) for offsets in self.open.values())


def test_window_against_a_model() -> None:
    run_state_machine_as_test(WindowMachine)
