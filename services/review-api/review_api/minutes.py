"""The figures of a minute (table `minute_stats`), which are only ever added to."""

from collections.abc import Iterable
from typing import Final

FIGURES: Final = (
    "items", "accepted", "requested", "decided", "final_labels", "corrections", "audits", "audit_errors",
    "student_only", "llm_calls", "input_tokens", "output_tokens", "cost_usd", "human_seconds", "withdrawn",
    "accepted_again", "requested_again", "withdrawn_again",
    "items_erased", "accepted_erased", "requested_erased", "withdrawn_erased", "finals_erased",
    "tasks_erased",
)  # fmt: skip
"""All there are."""


def added(figures: Iterable[str]) -> str:
    """Return the end of an INSERT into `minute_stats AS s`: `figures` are added to those of the minute."""
    sums = ", ".join(f"{name} = s.{name} + EXCLUDED.{name}" for name in figures)
    return f"ON CONFLICT (project, minute) DO UPDATE SET {sums}"
