"""The jars Kafka runs on: pinned by SHA-256, fetched with jgo, kept in the user's cache folder."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import requests
from jgo.maven import MavenContext

from labelmill_local.errors import StackError, cannot_write

PINS_FILE = Path(__file__).with_name("kafka-jars.txt")
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Pin:
    """One jar by Maven coordinates and the SHA-256 of its bytes (hex)."""

    group: str
    artifact: str
    version: str
    sha256: str


def read_pins(text: str) -> list[Pin]:
    """Parse lines of `SHA256  group:artifact:version`; `#` starts a comment line."""
    pins = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            digest, coordinates = line.split()
            group, artifact, version = coordinates.split(":")
            pins.append(Pin(group, artifact, version, digest))
    return pins


def write_pins(pins: list[Pin]) -> str:
    """The text that `read_pins` reads, sorted, so that a changed version shows as one changed line."""
    lines = sorted(f"{p.sha256}  {p.group}:{p.artifact}:{p.version}" for p in pins)
    lines.sort(key=lambda line: line.split()[1])
    return (
        "# SHA-256 and Maven coordinates; written by `python -m labelmill_local.pin`\n"
        + "\n".join(lines)
        + "\n"
    )


def cache_dir() -> Path:
    """Where downloads are kept between runs."""
    return platformdirs.user_cache_path("labelmill") / "maven"


def maven(cache: Path) -> MavenContext:
    """A Maven repository: the central one, or the mirror named by LABELMILL_MAVEN_URL."""
    mirror = os.environ.get("LABELMILL_MAVEN_URL")
    remotes = {"mirror": mirror.rstrip("/")} if mirror else None
    return MavenContext(repo_cache=cache, remote_repos=remotes, timeout=_TIMEOUT_S)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def class_path(say: Callable[[str], None], cache: Path | None = None) -> list[Path]:
    """All pinned jars, each fetched if missing and checked against its pin.

    `say` gets one line if anything must be downloaded. Raises StackError if a jar cannot be had or is not the
    pinned one.
    """
    cache = cache or cache_dir()
    pins = read_pins(PINS_FILE.read_text())
    context = maven(cache)
    with _one_at_a_time(cache):
        missing = sum(not _path(context, pin).exists() for pin in pins)
        if missing:
            say(f"fetching {missing} jars of Apache Kafka (44 MB in all, about 20 s, once)")
        with ThreadPoolExecutor(max_workers=8) as pool:
            return list(pool.map(lambda pin: _checked(context, pin), pins))


def _path(context: MavenContext, pin: Pin) -> Path:
    path = context.project(pin.group, pin.artifact).at_version(pin.version).artifact().cached_path
    if path is None:
        raise StackError("the cache folder for Kafka's jars is not set")
    return Path(path)


def _checked(context: MavenContext, pin: Pin) -> Path:
    path = _path(context, pin)
    if path.exists() and sha256_of(path) != pin.sha256:
        path.unlink()  # most likely an interrupted download: have it once more before complaining
    if not path.exists():
        _download(context, pin)
    found = sha256_of(path)
    if found != pin.sha256:
        path.unlink()
        raise StackError(
            f"{path.name} is not the pinned file (SHA-256 {found}, expected {pin.sha256}): "
            "something between here and the Maven repository changes it; nothing was run"
        )
    return path


def _download(context: MavenContext, pin: Pin) -> None:
    try:
        context.project(pin.group, pin.artifact).at_version(pin.version).artifact().resolve()
    except (OSError, RuntimeError, requests.RequestException) as error:
        path = _path(context, pin)
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and (ours := cannot_write(path.parent, error)):
            raise ours from error
        raise StackError(
            f"cannot fetch {pin.artifact} {pin.version} from the Maven repository ({type(error).__name__}): "
            "check the network, name a mirror with LABELMILL_MAVEN_URL, or use your own broker with "
            "KAFKA_BOOTSTRAP_SERVERS"
        ) from error


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    """Two stacks starting at once must not write the same jar."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
