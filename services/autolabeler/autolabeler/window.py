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

    __slots__ = ("_last", "_next", "_sizes", "_taken", "live", "unfinished_bytes")

    def __init__(self) -> None:
        self.live = True
        self.unfinished_bytes = 0
        self._taken: deque[int] = deque()
        self._sizes: dict[int, int] = {}
        self._last = -1
        self._next: int | None = None

    @property
    def unfinished(self) -> int:
        return len(self._sizes)

    @property
    def span(self) -> int:
        """Records taken that are not yet behind the offset to commit."""
        return len(self._taken)

    @property
    def next_offset(self) -> int | None:
        """The offset to commit: that of the next record to read. None before the first record is done."""
        return self._next

    def take(self, offset: int, size: int) -> None:
        """Note a record of `size` bytes. Raises ValueError if its offset does not follow the ones before."""
        if offset <= self._last:
            # Whatever were committed after this might lie beyond records that were never worked on.
            raise ValueError(f"offset {offset} was taken after {self._last}")
        self._last = offset
        self._taken.append(offset)
        self._sizes[offset] = size
        self.unfinished_bytes += size

    def finish(self, offset: int) -> None:
        self.unfinished_bytes -= self._sizes.pop(offset)
        while self._taken and self._taken[0] not in self._sizes:
            self._next = self._taken.popleft() + 1


class Window:
    """The items at work, over all partitions held, and how many more may be taken.

    `max_items` and `max_bytes` bound the unfinished items, which hold texts in memory. `max_span` bounds
    the records beyond the committed offsets, finished or not: how much is repeated after a crash. It is
    larger, so that one slow item does not stop the others.
    """

    def __init__(self, max_items: int, max_bytes: int, max_span: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._max_span = max_span
        self._lanes: dict[int, Lane] = {}
        self._committed: dict[int, int] = {}

    @property
    def unfinished(self) -> int:
        return sum(lane.unfinished for lane in self._lanes.values())

    def has_room(self, records: int, size: int) -> bool:
        """Return whether so many more, of `size` bytes together, may be taken; an empty window takes any."""
        lanes = self._lanes.values()
        span = sum(lane.span for lane in lanes)
        unfinished = self.unfinished
        held = sum(lane.unfinished_bytes for lane in lanes)
        fits = unfinished + records <= self._max_items and held + size <= self._max_bytes
        return (fits or unfinished == 0) and (span + records <= self._max_span or span == 0)

    def take(self, partition: int, offset: int, size: int) -> Lane:
        """Note that a record is being worked on and return its lane, to be told when it is finished.

        Offsets of a partition must come in rising order, as Kafka delivers them: ValueError otherwise.
        """
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane()
        lane.take(offset, size)
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
