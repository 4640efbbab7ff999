"""What the LLM stub has been asked and has answered: kept in memory only."""

from collections import Counter
from hashlib import blake2b
from typing import Any


class Counters:
    """Counts of calls and prompts.

    A call is counted when it arrives, its prompt as paid when a complete answer goes to an open connection:
    `repeated_prompts` are calls beyond the first for the same prompt (retries included), and
    `repaid_prompts` are paid answers beyond the first, which is what a cache must keep at zero.
    """

    def __init__(self) -> None:
        self.received = 0
        self.answered = 0
        self.refused = 0
        self.broken = 0
        self.abandoned = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._by_mode: Counter[str] = Counter()
        self._by_model: Counter[str] = Counter()
        self._seen: set[bytes] = set()
        self._paid: set[bytes] = set()
        self._repaid = 0

    def arrive(self, prompt: bytes, mode: str, model: str) -> None:
        """Count a well-formed call that starts now; `prompt` is its `prompt_key`."""
        self.received += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self._by_mode[mode] += 1
        self._by_model[model] += 1
        self._seen.add(prompt)

    def pay(self, prompt: bytes, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a complete answer with its usage in tokens."""
        self.answered += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if prompt in self._paid:
            self._repaid += 1
        else:
            self._paid.add(prompt)

    def snapshot(self) -> dict[str, Any]:
        """Everything, as `GET /stats` sends it."""
        return {
            "calls": self.received,
            "answered": self.answered,
            "refused": self.refused,
            "broken": self.broken,
            "abandoned": self.abandoned,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "by_mode": dict(self._by_mode),
            "by_model": dict(self._by_model),
            "distinct_prompts": len(self._seen),
            "repeated_prompts": self.received - len(self._seen),
            "paid_prompts": len(self._paid),
            "repaid_prompts": self._repaid,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


def prompt_key(model: str, messages: bytes, temperature: float, seed: int | None) -> bytes:
    """Sixteen bytes that name a prompt: calls with the same key would be paid for the same answer."""
    key = blake2b(messages, digest_size=16)
    key.update(f"{model}\0{temperature}\0{seed}".encode())
    return key.digest()
