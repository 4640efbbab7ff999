"""What the scripts that prepare example data share: a package from the index, checked, and an order."""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar


class Identified(Protocol):
    """Anything with an item id."""

    @property
    def item_id(self) -> str: ...


T = TypeVar("T", bound=Identified)


def fetch(requirement: str, sha256: str, *options: str) -> bytes:
    """Return the bytes of the file pip downloads. Exits if it cannot be had or is not the pinned one."""
    print(f"fetching {requirement}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run([*command, *options, "--dest", scratch, requirement], check=False)
        archives = list(Path(scratch).iterdir())
        if done.returncode or len(archives) != 1:
            sys.exit(f"error: pip could not download {requirement}")
        archive = archives[0].read_bytes()
    found = hashlib.sha256(archive).hexdigest()
    if found != sha256:
        sys.exit(f"error: {archives[0].name} has SHA-256 {found}, expected {sha256}")
    return archive


def mixed(items: Iterable[T]) -> list[T]:
    """Return the items in an order that is always the same and has nothing to do with their content."""
    return sorted(items, key=lambda item: hashlib.sha256(item.item_id.encode()).digest())
