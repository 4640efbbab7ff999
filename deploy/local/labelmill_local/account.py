"""The operating-system account PostgreSQL runs under: it refuses to run as root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from labelmill_local.errors import StackError

# The first of these that exists stands in when root starts the stack. No account is created.
_STAND_INS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """Who runs a program (`spawn_as`, in the words of `spawn.py`) and who owns its files (None: we do)."""

    spawn_as: str
    owner: tuple[int, int] | None = None

    def own(self, path: Path) -> None:
        """Give one file or folder to this account."""
        if self.owner is not None:
            os.chown(path, *self.owner)


def choose_account(must_reach: list[Path], data_dir: Path) -> Account:
    """Ourselves, or for root a stand-in; an existing `data_dir` stays with the account that made it.

    Where the stand-in may not enter a folder of `must_reach` (/root is closed to others), root keeps its
    files and only looks like the stand-in to PostgreSQL, inside a user namespace: nothing outside has its
    access rights changed. Raises StackError if no stand-in exists.
    """
    if os.geteuid() != 0:
        return Account("-")
    stand_in = _stand_in()
    made_by = data_dir.stat().st_uid if (data_dir / "PG_VERSION").exists() else None
    open_to_all = all(can_enter(path, stand_in) for path in must_reach)
    if made_by == 0 or (made_by is None and not open_to_all):
        return Account(f"map:{stand_in.pw_uid}")
    who = stand_in if made_by is None else pwd.getpwuid(made_by)
    return Account(f"{who.pw_uid}:{who.pw_gid}", (who.pw_uid, who.pw_gid))


def can_enter(path: Path, who: pwd.struct_passwd) -> bool:
    """True if `who` may enter `path` and all folders above it, by their owner, group and other bits."""
    return all(_may_pass(folder.stat(), who) for folder in [path, *path.parents])


def _may_pass(status: os.stat_result, who: pwd.struct_passwd) -> bool:
    if status.st_uid == who.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == who.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _stand_in() -> pwd.struct_passwd:
    for name in _STAND_INS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError(
        "PostgreSQL will not run as root and there is no account 'nobody': start as a normal user"
    )
