"""Reading the deployment's files: the compose file with its variables filled in, Dockerfiles, documents."""

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

_VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")


class Variable(NamedTuple):
    """A `${NAME}` of the compose file. `operator` is "-" (default), "?" (required) or ""."""

    name: str
    operator: str
    text: str


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continuation lines joined."""

    word: str
    rest: str


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def raw_compose() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="session")
def variables(raw_compose: str) -> list[Variable]:
    """Every variable that the compose file takes from .env."""
    return [Variable(*(part or "" for part in found)) for found in _VARIABLE.findall(raw_compose)]


@pytest.fixture(scope="session")
def compose(raw_compose: str) -> dict[str, Any]:
    """The compose file with a value for every variable: its default, or its name in small letters."""
    filled = _VARIABLE.sub(lambda m: m[3] if m[2] == "-" else m[1].lower(), raw_compose)
    document: dict[str, Any] = yaml.safe_load(filled)
    return document


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    folder = ROOT / "tests/contract/schemas"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.fixture(scope="session")
def dockerfiles() -> dict[str, list[Instruction]]:
    """Folder to the instructions of its Dockerfile."""
    folders = [*(ROOT / "services").iterdir(), ROOT / "cli"]
    return {
        str(folder.relative_to(ROOT)): _instructions((folder / "Dockerfile").read_text())
        for folder in sorted(folders)
        if folder.is_dir()
    }


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Instruction(*re.split(r"\s+", line.strip(), maxsplit=1)) for line in joined if line.strip()]
