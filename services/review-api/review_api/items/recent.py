"""The items taken in last: they are in Kafka, and the ledger may not have them yet. Pure."""

from collections.abc import Mapping


class Recent:
    """Remembers the content hashes of the last `most` items or so, at a constant price.

    Two generations: once the young one is full it becomes the old one, and what was old is forgotten.
    """

    def __init__(self, most: int = 40_000) -> None:
        self._half = most // 2
        self._young: dict[bytes, str] = {}
        self._old: dict[bytes, str] = {}

    def get(self, key: bytes) -> str | None:
        """Return the content hash of the item with this record key, if it came lately."""
        return self._young.get(key) or self._old.get(key)

    def add(self, hashes: Mapping[bytes, str]) -> None:
        """Remember items that Kafka has acknowledged."""
        self._young.update(hashes)
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
