"""Chance that nobody can foresee and a test can repeat: keyed hashes. Pure."""

import hashlib
from collections.abc import Iterable

_SPACE = 2**64


class Draw:
    """Draws by a secret key of at most 64 bytes. The same key and the same parts always draw the same."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def share(self, *parts: object) -> float:
        """Return a number from 0 up to, but not, 1 that follows from `parts`."""
        text = "\0".join(str(part) for part in parts).encode()
        digest = hashlib.blake2b(text, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest) / _SPACE

    def is_gold(self, project: str, reviewer: str, number: int, rate: float) -> bool:
        """Return whether the task with this running number of a person is a check; of many, `rate` are."""
        return self.share("gold", project, reviewer, number) < rate

    def is_decoy(self, task_id: int, reviewer: str, rate: float) -> bool:
        """Return whether an ordinary task is shown to a person without its suggestion, as checks are."""
        return self.share("decoy", task_id, reviewer) < rate

    def place(self, gold_id: int, reviewer: str, needed: int) -> int:
        """Return which of the `needed` decisions of a task a check pretends to be, from 1."""
        return 1 + int(self.share("place", gold_id, reviewer) * needed)

    def shuffled(self, reviewer: str, gold_ids: Iterable[int]) -> list[int]:
        """Return gold in the order in which a person meets it; everybody has another."""
        return sorted(gold_ids, key=lambda gold_id: self.share("order", reviewer, gold_id))
