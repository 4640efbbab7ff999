"""Turns itself into another program, after tying that program's life to its parent's.

Run as a file by `process.py` (`python -I -S spawn.py PARENT_PID SIGNAL ACCOUNT PROGRAM ARGS...`), it imports
only the standard library and is gone after a few milliseconds. A helper process is used rather than
`preexec_fn`, which is not safe in a parent with threads.

ACCOUNT is `-` (stay who we are), `UID:GID` (become that account), or `map:UID` (look like that account inside
a user namespace while remaining the same user for every file).
"""

import ctypes
import os
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def die_with_parent(parent_pid: int, signum: int) -> None:
    """Ask the kernel to send `signum` to this process when its parent ends. Does nothing but on Linux."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent_pid:  # it ended before we could ask
        os._exit(1)


def become(account: str) -> None:
    """Change the user of this process as the module's docstring says."""
    if account == "-":
        return
    if account.startswith("map:"):
        _look_like(int(account.removeprefix("map:")))
        return
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _look_like(uid: int) -> None:
    real_uid, real_gid = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
        why = os.strerror(ctypes.get_errno())
        sys.exit(
            f"PostgreSQL will not run as root, and no user namespace can be made ({why}): start as a normal "
            "user, keep program and state where every account may enter, or set DATABASE_URL"
        )
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {real_uid} 1"),
        ("gid_map", f"{uid} {real_gid} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)


def main(argv: list[str]) -> None:
    parent_pid, signum, account, *command = argv
    become(account)
    die_with_parent(int(parent_pid), int(signum))  # after become(): a change of user clears the request
    try:
        os.execvp(command[0], command)  # noqa: S606 - that is what this file is for
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
