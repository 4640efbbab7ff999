"""Start a stub as its own process for the time of a test."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen


@dataclass(frozen=True, slots=True)
class RunningStub:
    """A stub process that listens at `url` (such as http://127.0.0.1:4711)."""

    url: str
    pid: int

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"

    def stats(self) -> dict[str, Any]:
        """What the stub has counted."""
        return self._ask(f"{self.url}/stats", None)

    def control(self, **changes: Any) -> dict[str, Any]:
        """Change how the stub behaves, as POST /control takes it; returns the counts of before the next call.

        Raises urllib.error.HTTPError for a change that the stub does not know.
        """
        return self._ask(f"{self.url}/control", json.dumps(changes).encode())

    @staticmethod
    def _ask(url: str, body: bytes | None) -> dict[str, Any]:
        request = Request(url, data=body, headers={"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            read: dict[str, Any] = json.load(answer)
        return read


@contextmanager
def running(module: str, *arguments: str) -> Iterator[RunningStub]:
    """Run `python -m labelmill_stubs.<module> --port 0 <arguments>` until the block is left.

    Raises RuntimeError with what the process said if it does not start.
    """
    command = [sys.executable, "-m", f"labelmill_stubs.{module}", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line.startswith("listening on "):
            raise RuntimeError(f"the stub {module} did not start: {line or f'exit {process.wait(10)}'}")
        yield RunningStub(line.removeprefix("listening on "), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
