"""The pinned jars: what is fetched is what was pinned, or nothing runs."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from labelmill_local import jars
from labelmill_local.errors import StackError
from labelmill_local.jars import Pin, class_path, read_pins, write_pins

JAR = b"the bytes of a jar"
PIN = Pin("org.example", "thing", "1.0", hashlib.sha256(JAR).hexdigest())
PLACE = "org/example/thing/1.0/thing-1.0.jar"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository on this machine that serves one jar, which is the only one pinned."""
    root = tmp_path / "repository"
    (root / PLACE).parent.mkdir(parents=True)
    (root / PLACE).write_bytes(JAR)
    pins = tmp_path / "pins.txt"
    pins.write_text(write_pins([PIN]))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, directory=str(root), **kwargs)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(jars, "PINS_FILE", pins)
    monkeypatch.setenv("LABELMILL_MAVEN_URL", f"http://127.0.0.1:{server.server_port}/")
    yield root
    server.shutdown()
    thread.join()
    server.server_close()


def test_pins_survive_writing_and_reading() -> None:
    other = Pin("a.group", "b", "2", "0" * 64)
    assert read_pins(write_pins([PIN, other])) == [other, PIN]


def test_the_shipped_pins_are_kafka_and_a_logger() -> None:
    pins = read_pins(jars.PINS_FILE.read_text())
    names = {pin.artifact for pin in pins}
    assert {"kafka_2.13", "kafka-server", "slf4j-simple"} <= names
    assert all(len(pin.sha256) == 64 for pin in pins)
    assert len(names) == len(pins)


def test_a_missing_jar_is_fetched_once_and_announced(repository: Path, tmp_path: Path) -> None:
    said: list[str] = []
    (path,) = class_path(said.append, tmp_path / "cache")
    assert path.read_bytes() == JAR
    assert len(said) == 1
    (repository / PLACE).unlink()
    assert class_path(said.append, tmp_path / "cache") == [path]
    assert len(said) == 1


def test_half_a_download_is_fetched_again(repository: Path, tmp_path: Path) -> None:
    half = tmp_path / "cache" / PLACE
    half.parent.mkdir(parents=True)
    half.write_bytes(JAR[:5])
    (path,) = class_path(lambda _: None, tmp_path / "cache")
    assert path.read_bytes() == JAR


def test_other_bytes_than_the_pinned_ones_are_refused(repository: Path, tmp_path: Path) -> None:
    (repository / PLACE).write_bytes(b"something else")
    with pytest.raises(StackError, match=r"thing-1.0.jar is not the pinned file .* nothing was run"):
        class_path(lambda _: None, tmp_path / "cache")
    assert not (tmp_path / "cache" / PLACE).exists()


def test_no_network_says_what_to_do(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELMILL_MAVEN_URL", "http://127.0.0.1:9/")
    with pytest.raises(StackError, match=r"check the network.*KAFKA_BOOTSTRAP_SERVERS"):
        class_path(lambda _: None, tmp_path / "cache")
