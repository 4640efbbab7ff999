"""Which offsets may be committed while items of several batches are being worked on. Pure.

Kafka knows one offset a partition: everything before it is done. Items finish in any order, so a
partition's offset is the end of the unbroken run of finished ones.
"""

from collections import deque
from collections.abc import Iterable


class Lane:
    """The records of one partition that were taken, in the order they came.

    `live` turns false when the partition is given up: what finishes later belongs to somebody else.
    """

    __slots__ = ("_done", "_next", "_taken", "live", "unfinished")

    def __init__(self) -> None:
        self.live = True
        self.unfinished = 0
        self._taken: deque[int] = deque()
        self._done: set[int] = set()
        self._next: int | None = None

    @property
    def span(self) -> int:
        """Records taken that are not yet behind the offset to commit."""
        return len(self._taken)

    @property
    def next_offset(self) -> int | None:
        """The offset to commit: that of the next record to read. None before the first record is done."""
        return self._next

    def take(self, offset: int) -> None:
        self._taken.append(offset)
        self.unfinished += 1

    def finish(self, offset: int) -> None:
        self.unfinished -= 1
        if self._taken[0] != offset:
            self._done.add(offset)
            return
        self._taken.popleft()
        while self._taken and self._taken[0] in self._done:
            offset = self._taken.popleft()
            self._done.remove(offset)
        self._next = offset + 1


class Window:
    """The items at work, over all partitions held, and how many more may be taken.

    `max_items` bounds the unfinished items, which hold texts in memory. `max_span` bounds the records
    beyond the committed offsets, finished or not: how much is repeated after a crash. It is larger, so
    that one slow item does not stop the others.
    """

    def __init__(self, max_items: int, max_span: int) -> None:
        self._max_items = max_items
        self._max_span = max_span
        self._lanes: dict[int, Lane] = {}
        self._committed: dict[int, int] = {}

    @property
    def unfinished(self) -> int:
        return sum(lane.unfinished for lane in self._lanes.values())

    def has_room(self, records: int) -> bool:
        """Return whether that many more may be taken; an empty window takes any number."""
        span = sum(lane.span for lane in self._lanes.values())
        unfinished = self.unfinished
        fits = unfinished + records <= self._max_items or unfinished == 0
        return fits and (span + records <= self._max_span or span == 0)

    def take(self, partition: int, offset: int) -> Lane:
        """Note that a record is being worked on and return its lane, to be told when it is finished.

        Offsets of a partition must come in rising order, as Kafka delivers them.
        """
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane()
        lane.take(offset)
        return lane

    def committable(self) -> dict[int, int]:
        """Return, per partition, the next offset to read, where it moved since it was last committed."""
        ends = {partition: lane.next_offset for partition, lane in self._lanes.items()}
        return {p: end for p, end in ends.items() if end is not None and end != self._committed.get(p)}

    def committed(self, offsets: dict[int, int]) -> None:
        """Note what `committable` returned as committed."""
        self._committed |= offsets

    def forget(self, partitions: Iterable[int] | None = None) -> None:
        """Give up partitions (all of them by default): what is unfinished there is delivered again."""
        for partition in list(self._lanes if partitions is None else partitions):
            lane = self._lanes.pop(partition, None)
            self._committed.pop(partition, None)
            if lane is not None:
                lane.live = False
