"""What a person sees while the demo runs: a bar a round; plain lines where there is no terminal."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_LINE_EVERY_SECONDS = 15.0


class RoundProgress:
    """Shows one round after the other; used as a context manager around all of them."""

    def __init__(self, console: Console) -> None:
        words = TextColumn("{task.description}", markup=False)
        columns = (words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._console = console
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._bar: TaskID | None = None
        self._head = ""
        self._total = 0
        self._printed = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, head: str, total: int) -> None:
        """Start a round of `total` items."""
        self._head, self._total = head, total
        self._bar = self._bars.add_task(head, total=total)
        self._line(f"{head}: {total:,} items")

    def reached(self, completed: int) -> None:
        """Show that `completed` items of the round are final."""
        assert self._bar is not None, "a round has begun"
        self._bars.update(self._bar, completed=completed)
        if time.monotonic() - self._printed >= _LINE_EVERY_SECONDS:
            self._line(f"{self._head}: {completed:,} of {self._total:,} items final")

    def say(self, text: str) -> None:
        """Show what the round is busy with, or how it went."""
        assert self._bar is not None, "a round has begun"
        self._bars.update(self._bar, description=text)
        self._line(text)

    def _line(self, text: str) -> None:
        self._printed = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(text, soft_wrap=True)
