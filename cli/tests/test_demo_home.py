"""The demo's state folder: what an earlier demo left goes, nothing else does."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labelmill_cli.commands.demo import fresh_home
from labelmill_cli.errors import CliError


def test_what_an_earlier_demo_left_is_removed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    fresh_home(home)
    (home / "kafka").mkdir()
    fresh_home(home)
    assert not (home / "kafka").exists()


@pytest.mark.parametrize("name", ["logs", "notes"])
def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(CliError, match="no demo made"):
        fresh_home(tmp_path)
    assert (tmp_path / name).is_dir()


def test_a_running_demo_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    fresh_home(home)
    with (home / "lock").open("w+") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CliError, match=f"process {os.getpid()}"):
            fresh_home(home)


def test_what_comes_from_outside_is_printed_as_it_is(labelmill: Callable[..., Any], api: Any) -> None:
    row = {"project": "tweets", "version": 2, "guideline_version": 1, "title": "[red]T[/x]"}
    api.on("GET /v1/projects", [row])
    assert labelmill("project", "list").out.split()[-1] == "[red]T[/x]"
