"""The state folder: its lock, and the secrets made for it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from labelmill_local.errors import StackError


def default_folder() -> Path:
    """LABELMILL_HOME, or `.labelmill` in the working folder."""
    return Path(os.environ.get("LABELMILL_HOME") or ".labelmill").absolute()


class FolderLock:
    """Keeps two stacks off one state folder; the kernel lets go of it whatever way the process ends.

    `after_crash` tells, once locked, that the last holder did not end in order: what it started may still be
    on its way out.
    """

    def __init__(self, folder: Path) -> None:
        self.after_crash = False
        self._path = folder / "lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise StackError(
                f"labelmill already runs on {self._path.parent} (process {holder}): stop that one with "
                f"Ctrl-C or `kill {holder}`, or use another folder with LABELMILL_HOME"
            ) from None
        file.seek(0)
        self.after_crash = bool(file.read())
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


def keep_secrets(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """A random secret for each name: made the first time, the same ever after, ours alone."""
    path = folder / "secrets.json"
    kept: dict[str, str] = {}
    with suppress(FileNotFoundError):
        kept = json.loads(path.read_text())
    missing = [name for name in names if name not in kept]
    if missing:
        kept |= {name: secrets.token_urlsafe(24) for name in missing}
        write_private(path, json.dumps(kept, indent=1))
    return {name: kept[name] for name in names}


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read, so that no reader ever sees half of it."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)
