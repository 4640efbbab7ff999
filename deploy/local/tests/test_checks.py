"""The looks before the start, the lock, and the secrets: each message says what to do."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from labelmill_local.checks import check_disk, check_packages, check_port, check_python
from labelmill_local.errors import StackError
from labelmill_local.java import java_binary, parse_major
from labelmill_local.ports import HOST, accepts, free_port
from labelmill_local.state import FolderLock, default_folder, keep_secrets


async def test_a_taken_port_names_the_part_and_the_setting() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            StackError, match=rf"port {port} on 127.0.0.1 is taken, and the broker .*KAFKA_PORT"
        ):
            await check_port(port, "the broker", "LABELMILL_KAFKA_PORT")
    await check_port(port, "the broker", "LABELMILL_KAFKA_PORT")
    await check_port(0, "the broker", "LABELMILL_KAFKA_PORT")


async def test_accepts_tells_whether_anything_listens() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert await accepts(server.getsockname()[1])
    assert not await accepts(free_port())


def test_an_old_python_is_refused() -> None:
    with pytest.raises(StackError, match=r"Python 3.10; labelmill needs 3.11"):
        check_python((3, 10))
    check_python()


def test_missing_packages_are_named() -> None:
    with pytest.raises(StackError, match=r"missing: no_such_package: run `make setup`"):
        check_packages(["json", "no_such_package"])


def test_too_little_disk_is_told_before_the_folder_exists(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "yet", least_bytes=1)
    with pytest.raises(StackError, match="make room"):
        check_disk(tmp_path / "not" / "yet", least_bytes=10**18)


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "21.0.2" 2024-01-16', 21),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("gibberish", 0),
    ],
)
def test_java_versions_are_read(text: str, major: int) -> None:
    assert parse_major(text) == major


def test_own_java_must_exist_and_be_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StackError, match="there is no java"):
        java_binary(own=True)
    fake = tmp_path / "bin" / "java"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'openjdk version \"11.0.1\"' >&2\n")
    fake.chmod(0o755)
    with pytest.raises(StackError, match="is Java 11; Kafka needs 17"):
        java_binary(own=True)
    assert java_binary(own=False).exists()


def in_another_process(folder: Path) -> str:
    source = (
        "import sys\nfrom pathlib import Path\nfrom labelmill_local.state import FolderLock\n"
        "with FolderLock(Path(sys.argv[1])): print('locked')"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, folder], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def test_the_lock_keeps_a_second_process_out_and_names_the_first(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        assert f"already runs on {tmp_path} (process {os.getpid()})" in in_another_process(tmp_path)
    assert in_another_process(tmp_path).strip() == "locked"


def test_the_lock_tells_whether_the_last_holder_ended_in_order(tmp_path: Path) -> None:
    with FolderLock(tmp_path) as first:
        assert not first.after_crash
    with FolderLock(tmp_path) as second:
        assert not second.after_crash
    (tmp_path / "lock").write_text("4242")
    with FolderLock(tmp_path) as third:
        assert third.after_crash


async def test_a_port_that_is_given_up_in_time_is_waited_for() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        asyncio.get_running_loop().call_later(0.2, server.close)
        await check_port(port, "the broker", "LABELMILL_KAFKA_PORT", patience_s=20)


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    first = keep_secrets(tmp_path, ["a", "b"])
    again = keep_secrets(tmp_path, ["b", "c"])
    assert first["b"] == again["b"]
    assert len({first["a"], first["b"], again["c"]}) == 3
    assert keep_secrets(tmp_path, ["a"]) == {"a": first["a"]}
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_the_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABELMILL_HOME", raising=False)
    assert default_folder() == tmp_path / ".labelmill"
    monkeypatch.setenv("LABELMILL_HOME", "/elsewhere")
    assert default_folder() == Path("/elsewhere")
