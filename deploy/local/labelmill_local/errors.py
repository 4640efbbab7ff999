"""The one exception a user of the local stack needs to catch."""

import errno
from pathlib import Path

_HERE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})


class StackError(RuntimeError):
    """Something the person at the keyboard can put right; the message is one line that says how."""


def cannot_write(folder: Path, error: OSError) -> StackError | None:
    """Return what to say if `error` came from the disk under `folder`; None if it came from elsewhere."""
    if error.errno not in _HERE:
        return None
    return StackError(
        f"cannot write to {folder} ({error.strerror}): make room or give yourself the right to, or put the "
        "cache elsewhere with XDG_CACHE_HOME"
    )
