"""Who runs PostgreSQL when root starts the stack."""

import os
import pwd
from pathlib import Path

import pytest
from labelmill_local import account
from labelmill_local.account import Account, can_enter, choose_account

NOBODY = pwd.getpwnam("nobody")


def test_a_normal_user_runs_it_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert choose_account([tmp_path], tmp_path / "data") == Account("-")


def test_a_closed_folder_anywhere_above_cannot_be_entered(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    stranger = pwd.struct_passwd(("x", "x", 54321, 54321, "", "/", "/bin/false"))
    assert not can_enter(inner, stranger)
    assert can_enter(Path("/"), stranger)


@pytest.mark.parametrize("open_to_all", [True, False])
def test_root_hands_over_or_only_looks_like_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_to_all: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "_STAND_INS", ("nobody",))
    monkeypatch.setattr(account, "can_enter", lambda *_: open_to_all)
    chosen = choose_account([tmp_path], tmp_path / "data")
    wanted = f"{NOBODY.pw_uid}:{NOBODY.pw_gid}" if open_to_all else f"map:{NOBODY.pw_uid}"
    assert chosen.spawn_as == wanted


def test_a_cluster_stays_with_the_account_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "PG_VERSION").write_text("18")
    me = tmp_path.stat()
    chosen = choose_account([Path("/")], tmp_path)
    assert chosen.owner == ((me.st_uid, me.st_gid) if me.st_uid else None)
