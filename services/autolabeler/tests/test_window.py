"""The window: only unbroken runs of finished records are committed."""

from autolabeler.window import Lane, Window
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test


def test_commits_the_unbroken_run_only() -> None:
    window = Window(max_items=10, max_span=10)
    lanes = {offset: window.take(0, offset) for offset in (7, 8, 9)}
    lanes[8].finish(8)
    assert window.committable() == {}
    lanes[7].finish(7)
    assert window.committable() == {0: 9}
    window.committed({0: 9})
    assert window.committable() == {}
    lanes[9].finish(9)
    assert window.committable() == {0: 10}


def test_offsets_may_have_gaps() -> None:
    window = Window(max_items=10, max_span=10)
    for offset in (3, 9):
        window.take(1, offset).finish(offset)
    assert window.committable() == {1: 10}


def test_a_commit_that_failed_is_offered_again() -> None:
    window = Window(max_items=10, max_span=10)
    window.take(0, 0).finish(0)
    assert window.committable() == window.committable() == {0: 1}


def test_room_counts_unfinished_items_and_the_span() -> None:
    window = Window(max_items=3, max_span=5)
    first = window.take(0, 0)
    for offset in range(1, 3):
        window.take(0, offset)
    assert not window.has_room(1)
    first.finish(1)
    first.finish(2)
    assert window.has_room(2)
    assert not window.has_room(3), "the span would be 6"


def test_an_empty_window_takes_a_batch_of_any_size() -> None:
    assert Window(max_items=1, max_span=1).has_room(1000)


def test_what_was_given_up_does_not_count_and_commits_nothing() -> None:
    window = Window(max_items=1, max_span=10)
    late = window.take(0, 5)
    window.forget()
    assert not late.live
    assert window.has_room(1)
    fresh = window.take(0, 5)
    late.finish(5)
    assert window.committable() == {}
    assert window.unfinished == 1
    fresh.finish(5)
    assert window.committable() == {0: 6}


@given(st.permutations(range(20)))
def test_any_order_of_finishing_ends_with_everything_committed(order: list[int]) -> None:
    window = Window(max_items=100, max_span=100)
    lanes = [window.take(0, offset) for offset in range(20)]
    for offset in order:
        lanes[offset].finish(offset)
    assert window.committable() == {0: 20}
    assert window.unfinished == 0


class WindowMachine(RuleBasedStateMachine):
    """The window beside a model that keeps every record."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(max_items=1000, max_span=1000)
        self.next = dict.fromkeys(range(3), 0)
        self.open: dict[int, list[int]] = {partition: [] for partition in range(3)}
        self.epoch = 0
        self.finished: set[tuple[int, int, int]] = set()

    @rule(target=taken, partition=st.integers(0, 2), gap=st.integers(0, 3))
    def take(self, partition: int, gap: int) -> tuple[int, int, int, Lane]:
        offset = self.next[partition] + gap
        self.next[partition] = offset + 1
        self.open[partition].append(offset)
        return self.epoch, partition, offset, self.window.take(partition, offset)

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
