"""What a person sees while the stack starts and stops: one line a part, on standard error."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console

_NAME_WIDTH = 13


class Line:
    """The line of one part: what it does now, and at the end how it went. `where` may be set meanwhile."""

    def __init__(self, console: Console, name: str, what: str) -> None:
        self.where = ""
        self._console = console
        self._head = f"{name:<{_NAME_WIDTH}} {what}"
        self._started = time.monotonic()
        self.seconds: float | None = None
        """What the part took, where that is not the time its line stood there."""
        self._status = console.status(f"{self._head} …", spinner="dots")

    def say(self, text: str) -> None:
        """Show what the part is busy with; where there is no terminal, print it as a line of its own."""
        self._status.update(f"{self._head} … {text}")
        if not self._console.is_terminal:
            self._console.print(f"{self._head} … {text}", markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        seconds = time.monotonic() - self._started if self.seconds is None else self.seconds
        took = f"{seconds:.1f} s"
        where = f" on {self.where}" if self.where else ""
        end = f"ready in {took}{where}" if error is None else f"not started after {took}"
        mark = "[green]✓[/]" if error is None else "[red]✗[/]"
        self._console.print(f"{mark} {self._head} … {end}", highlight=False, soft_wrap=True)


class Progress:
    """Writes the lines. `quiet` writes nothing, for tests and benchmarks."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True, quiet=quiet)

    def part(self, name: str, what: str) -> Line:
        """A line to be used as a context manager around the start of one part."""
        return Line(self._console, name, what)

    def note(self, name: str, text: str) -> None:
        """A finished line for something that takes no time."""
        self._console.print(f"[dim]·[/] {name:<{_NAME_WIDTH}} {text}", highlight=False, soft_wrap=True)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """A line around the stop of everything."""
        with self._console.status("stopping what was started …", spinner="dots"):
            yield
        self._console.print(
            "[dim]·[/] stopped; the state is kept, the next start resumes", highlight=False, soft_wrap=True
        )
