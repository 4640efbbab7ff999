"""The command line against the real services: a project from its file to its labels."""

import asyncio
import csv
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill_cli.app import run
from labelmill_local.system import System
from labelmill_stubs.process import running

PROJECT = """
project: notes
title: Notes
labels: [{name: positive}, {name: negative}]
guideline: Say which.
voters: [{name: llm, type: llm, model: stub}]
policy: {accept_threshold: 0.0, cold_start_threshold: 0.0, audit_rate: 0.0}
"""
Labelmill = Callable[..., str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """review-api, autolabeler and router, with a stand-in for the LLM, on a broker without other letters."""
    with running("llm") as stub:
        async with System(tmp_path_factory.mktemp("cli")) as system:
            await system.add("review-api")
            await asyncio.gather(
                system.add("autolabeler", env={"OPENAI_BASE_URL": stub.base_url}), system.add("router")
            )
            yield system


@pytest.fixture
def labelmill(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Labelmill:
    """Runs a command as the admin and returns what it printed; `status` is the exit status expected."""
    monkeypatch.setenv("LABELMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABELMILL_URL", system.services[0].url)
    monkeypatch.setenv("LABELMILL_TOKEN", system.admin_token)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", system.backends.kafka.bootstrap_servers)
    monkeypatch.setenv("COLUMNS", "200")

    def labelmill(*arguments: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        printed = capfd.readouterr()
        assert (ended.value.code or 0) == status, printed
        return printed.out + printed.err

    return labelmill


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_from_a_file_to_labels(labelmill: Labelmill, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT)
    assert "notes applied: version 1" in labelmill("project", "apply", str(tmp_path / "project.yaml"))
    assert "notes unchanged: version 1" in labelmill("project", "apply", str(tmp_path / "project.yaml"))
    assert "notes" in labelmill("project", "list")
    assert "guideline: Say which." in labelmill("project", "show", "notes")

    items = tmp_path / "items.jsonl"
    good = [json.dumps({"item_id": f"n{n}", "content": f"note {n}"}).encode() for n in range(40)]
    bad = [b"{", b'{"item_id":"e","content":" "}']
    items.write_bytes(b"\n".join([*good[:20], *bad, *good[20:], good[0]]) + b"\n")
    said = labelmill("ingest", str(items), "-p", "notes", status=1)
    assert "40 accepted, 1 duplicates, 2 rejected" in said
    assert [line.split()[:2] for line in said.splitlines()[2:]] == [["21", "malformed_json"], ["22", "e"]]

    (tmp_path / "items.csv").write_text('nr,text,lang\nc1,"one, two",en\nc2,three,de\n')
    said = labelmill("ingest", str(tmp_path / "items.csv"), "-p", "notes", "--id", "nr")
    assert "2 accepted" in said

    def done() -> bool:
        rows = dict(line.rsplit(maxsplit=1) for line in labelmill("status", "-p", "notes").splitlines()[1:])
        return rows["accepted"] == "42"

    until(done)
    labels = [json.loads(line) for line in labelmill("export", "-p", "notes").splitlines()[:-1]]
    assert {label["item_id"] for label in labels} == {f"n{n}" for n in range(40)} | {"c1", "c2"}
    assert {label["source"] for label in labels} == {"machine"}
    target = tmp_path / "labels.csv"
    labelmill("export", "-p", "notes", "--format", "csv", "--content", "-o", str(target))
    with target.open(newline="") as file:
        rows = {row["item_id"]: row for row in csv.DictReader(file)}
    assert rows["c1"]["content"] == "one, two"
    assert rows["c1"]["label"] in {"positive", "negative"}


def test_accounts_and_what_they_may_do(labelmill: Labelmill, monkeypatch: pytest.MonkeyPatch) -> None:
    labelmill("account", "add", "ann", "--role", "reviewer")
    token = labelmill("account", "token", "ann").strip()
    monkeypatch.setenv("LABELMILL_TOKEN", token)
    assert "this token may not do that" in labelmill("account", "add", "bob", status=1)
    monkeypatch.setenv("LABELMILL_TOKEN", "wrong")
    assert "set LABELMILL_TOKEN to a valid token" in labelmill("project", "list", status=1)


def test_unknown_projects_are_told(labelmill: Labelmill, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"item_id":"1","content":"a"}\n')
    assert "nowhere" in labelmill("ingest", str(tmp_path / "items.jsonl"), "-p", "nowhere", status=1)
    for command in ("status", "export"):
        assert "nowhere" in labelmill(command, "-p", "nowhere", status=1)


def test_an_item_that_came_too_early_is_labelled_after_a_retry(
    labelmill: Labelmill, system: System, tmp_path: Path
) -> None:
    early = b'{"project":"early","item_id":"1","content":"a"}'

    async def put() -> None:
        publisher = Publisher(system.kafka_settings)
        await publisher.start()
        try:
            await publisher.publish("items", [OutRecord(0, b"early/1", early)])
        finally:
            await publisher.stop()

    def letters() -> list[dict[str, str]]:
        return [json.loads(line) for line in labelmill("dlq", "list", "--json").splitlines()]

    asyncio.run(put())
    # Both consumers of the topic refuse it, and it is one letter: it has one origin.
    until(lambda: bool(letters()))
    (letter,) = letters()
    assert (letter["reason"], letter["topic"]) == ("unknown_project", "items")
    assert '"project": "early"' in labelmill("dlq", "show", letter["id"])

    (tmp_path / "early.yaml").write_text(PROJECT.replace("notes", "early"))
    labelmill("project", "apply", str(tmp_path / "early.yaml"))
    assert "1 sent back" in labelmill("dlq", "retry", "--reason", "unknown_project")
    until(lambda: '"item_id":"1"' in labelmill("export", "-p", "early"))
    assert letters() == []


def test_bootstrap_may_be_repeated(
    labelmill: Labelmill, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "topics: all there" in labelmill("bootstrap")
    monkeypatch.setenv("DATABASE_ADMIN_URL", system.backends.postgres.admin_dsn)
    for schema in ("autolabeler", "review", "trainer"):
        password = system.database_url(schema).split("@")[0].rsplit(":", 1)[1]
        monkeypatch.setenv(f"{schema.upper()}_DATABASE_PASSWORD", password)
    assert "roles and schemas: autolabeler, review, trainer" in labelmill("bootstrap")
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://postgres:x@127.0.0.1:1/labelmill")
    assert "cannot reach PostgreSQL at DATABASE_ADMIN_URL" in labelmill("bootstrap", status=1)
