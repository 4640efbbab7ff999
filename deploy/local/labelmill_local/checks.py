"""Looks before the start: each failure is one line that says what to do."""

import asyncio
import shutil
import sys
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from labelmill_local.errors import StackError
from labelmill_local.ports import is_free, require_free

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2 * 1024**3
LEAST_FREE_CACHE_BYTES = 512 * 1024**2
"""Kafka's jars (44 MB) and the re-encoded model (150 MB), each once beside its unfinished self."""


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raise StackError if this Python is too old for the services."""
    if version < OLDEST_PYTHON:
        found, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST_PYTHON))
        raise StackError(
            f"this is Python {found}; labelmill needs {wanted} or newer: run `make setup` with one"
        )


def check_packages(modules: Iterable[str]) -> None:
    """Raise StackError naming the modules that are not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise StackError(f"these Python packages are missing: {', '.join(missing)}: run `make setup`")


def check_disk(
    folder: Path, least_bytes: int = LEAST_FREE_BYTES, setting: str = "LABELMILL_HOME", what: str = "state"
) -> None:
    """Raise StackError if the disk under `folder` (which need not exist yet) has too little room for `what`.

    `setting` puts it elsewhere.
    """
    place = next(parent for parent in [folder, *folder.parents] if parent.exists())
    free = shutil.disk_usage(place).free
    if free < least_bytes:
        raise StackError(
            f"{free / 1024**3:.1f} GB are free under {place}, {least_bytes / 1024**3:.1f} GB are needed: "
            f"make room, or put the {what} elsewhere with {setting}"
        )


async def check_port(port: int, part: str, setting: str, patience_s: float = 0.0) -> None:
    """Raise StackError if `part` cannot listen on `port` within `patience_s`; `setting` moves it elsewhere.

    Port 0 is never taken.
    """
    deadline = time.monotonic() + patience_s
    while port and not is_free(port) and time.monotonic() < deadline:  # noqa: ASYNC110 - another's process
        await asyncio.sleep(0.1)
    if port:
        require_free(port, part, setting)
