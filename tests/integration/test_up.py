"""`labelmill up` and `down` as a person uses them: in the background, with a change of mind, and again."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import PROJECTS
from labelmill_local.ports import accepts
from labelmill_local.settings import PORTS
from labelmill_stubs.process import running
from labelmill_stubs.topics import read_to_end

Environment = dict[str, str]
PROJECT = """
project: kept
title: Kept
labels: [{name: positive}, {name: negative}]
guideline: Say which.
voters: [{name: llm, type: llm, model: stub}]
"""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    """A home folder of its own, free ports, and a stand-in for the LLM."""
    with running("llm") as stub:
        yield {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("KAFKA_", "DATABASE_"))
            },
            **{f"LABELMILL_{name.upper()}": "0" for name in PORTS},
            "LABELMILL_HOME": str(tmp_path / "home"),
            "OPENAI_BASE_URL": stub.base_url,
        }


def labelmill(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "labelmill_cli", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=280)


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that were started for this home folder, however deep."""
    return [p for p in psutil.process_iter() if _environ(p).get("LABELMILL_HOME") == str(home)]


def connection_of(home: Path) -> dict[str, str]:
    return dict(json.loads((home / "connection.json").read_bytes()))


def ports_of(process: psutil.Process) -> set[int]:
    """Return the ports on which a process listens."""
    connections = process.net_connections("tcp")
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def _environ(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_up_in_the_background_ctrl_c_while_starting_and_up_again(environment: Environment) -> None:
    home = Path(environment["LABELMILL_HOME"])
    assert "nothing runs" in labelmill(environment, "down").stderr

    begun = labelmill(environment, "up", "--detach")
    assert begun.returncode == 0, begun.stderr
    assert begun.stdout.startswith("page      http://127.0.0.1:")
    assert "sign in   admin, password " in begun.stdout
    for name in ("connection.json", "secrets.json", "logs/up.log"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert "no projects yet" in labelmill(environment, "project", "list").stderr
    (home / "kept.yaml").write_text(PROJECT)
    labelmill(environment, "project", "apply", str(home / "kept.yaml"))
    first = (home / "secrets.json").read_bytes()
    again = labelmill(environment, "up", "--detach")
    assert (again.returncode, "already runs" in again.stderr) == (1, True)
    again = labelmill(environment, "up")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "already runs" in again.stderr

    assert "stopped" in labelmill(environment, "down").stderr
    assert processes_of(home) == []
    assert "cannot reach" in labelmill(environment, "project", "list").stderr

    process = subprocess.Popen(
        [sys.executable, "-m", "labelmill_cli", "up"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "broker" in line:
            process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0, lines
    assert "Traceback" not in "".join(lines)
    assert processes_of(home) == []

    resumed = labelmill(environment, "up", "--detach")
    assert resumed.returncode == 0, resumed.stderr
    assert (home / "secrets.json").read_bytes() == first
    assert "kept" in labelmill(environment, "project", "list").stdout
    assert "items" in labelmill(environment, "status", "-p", "kept").stdout
    kafka = KafkaSettings(kafka_bootstrap_servers=connection_of(home)["kafka_bootstrap_servers"])
    records = asyncio.run(read_to_end(kafka, PROJECTS.name))
    assert {record.key for record in records} == {b"kept"}
    ports = {port for process in processes_of(home) for port in ports_of(process)}
    assert len(ports) >= 6
    assert "stopped" in labelmill(environment, "down").stderr
    assert processes_of(home) == []
    assert not any(asyncio.run(accepts(port)) for port in ports)


@pytest.mark.slow
def test_what_is_missing_is_told_in_one_line(environment: Environment) -> None:
    environment["LABELMILL_REVIEW_API_PORT"] = environment["OPENAI_BASE_URL"].split(":")[2].split("/")[0]
    refused = labelmill(environment, "up")
    assert (refused.returncode, refused.stderr.count("error:")) == (1, 1)
    assert "LABELMILL_REVIEW_API_PORT" in refused.stderr
    environment["LABELMILL_REVIEW_API_PORT"] = "many"
    refused = labelmill(environment, "up", "--detach")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: LABELMILL_REVIEW_API_PORT: input should be")
