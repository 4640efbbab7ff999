"""The other commands, and the one sentence that every mistake is told in."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labelmill_cli import connection
from labelmill_cli.connection import Connection

Labelmill = Callable[..., Any]
PROJECT = b"""
project: tweets
title: Tweets
labels: [{name: positive}, {name: negative}]
guideline: Say which.
voters: [{name: llm, type: llm, model: m}]
"""


@pytest.fixture
def project_file(tmp_path: Path) -> Path:
    file = tmp_path / "project.yaml"
    file.write_bytes(PROJECT)
    return file


def test_a_project_is_applied_from_its_file(labelmill: Labelmill, api: Any, project_file: Path) -> None:
    answer = {"project": "tweets", "version": 2, "guideline_version": 1, "changed": True}
    api.on("PUT /v1/projects/tweets", answer)
    done = labelmill("project", "apply", str(project_file))
    assert done.err == "project tweets applied: version 2, guideline version 1\n"
    assert api.bodies("PUT /v1/projects/tweets") == [PROJECT]


def test_a_bad_project_is_refused_before_it_is_sent(
    labelmill: Labelmill, api: Any, project_file: Path
) -> None:
    project_file.write_bytes(PROJECT.replace(b"positive", b"negative"))
    done = labelmill("project", "apply", str(project_file))
    assert (done.status, done.err) == (1, "error: labels: names must differ\n")
    assert not api.requests


def test_projects_are_listed_and_shown(labelmill: Labelmill, api: Any) -> None:
    row = {"project": "tweets", "version": 2, "guideline_version": 1, "title": "T"}
    api.on("GET /v1/projects", [row])
    api.on("GET /v1/projects/tweets", row | {"spec": {"project": "tweets", "guideline": "Say é.\nWhich?\n"}})
    assert labelmill("project", "list").out.split()[-4:] == ["tweets", "2", "1", "T"]
    assert labelmill("project", "show", "tweets").out == "project: tweets\nguideline: |\n  Say é.\n  Which?\n"


def test_skills_are_granted_and_taken(labelmill: Labelmill, api: Any) -> None:
    path = "/v1/projects/p/skills/expert/ann"
    api.on(f"PUT {path}", {"changed": True})
    api.on(f"PUT {path}", {"changed": False})
    api.on(f"DELETE {path}", {"error": "unknown_project", "detail": "there is no project 'p'"}, 404)
    assert labelmill("account", "grant", "ann", "expert", "-p", "p").err == "ann has the skill expert in p\n"
    assert "already" in labelmill("account", "grant", "ann", "expert", "-p", "p").err
    refused = labelmill("account", "revoke", "ann", "expert", "-p", "p")
    assert (refused.status, "no project" in refused.err) == (1, True)


def test_a_refusal_says_why(labelmill: Labelmill, api: Any) -> None:
    path = "PUT /v1/projects/p/skills/expert/ann"
    api.on(path, {"error": "forbidden", "detail": "this needs the role manager"}, 403)
    api.on(path, {"error": "task_in_hand", "detail": "you hold a task of this item"}, 403)
    assert (
        "one of an account with the right role"
        in labelmill("account", "grant", "ann", "expert", "-p", "p").err
    )
    assert "you hold a task" in labelmill("account", "grant", "ann", "expert", "-p", "p").err


def test_accounts_and_tokens(labelmill: Labelmill, api: Any) -> None:
    api.on("POST /v1/accounts", {"name": "ann"}, 201)
    api.on("POST /v1/accounts/ann/tokens", {"token": "t0k3n"}, 201)
    labelmill("account", "add", "ann", "--role", "manager", "--role", "reviewer")
    assert api.bodies("POST /v1/accounts") == [b'{"name":"ann","roles":["manager","reviewer"]}']
    assert labelmill("account", "token", "ann").out == "t0k3n\n"
    labelmill("account", "token", "ann", "--scope", "read", "--scope", "ingest", "--days", "30")
    narrow = b'{"label":"command line","scopes":["read","ingest"],"expires_in_days":30}'
    assert api.bodies("POST /v1/accounts/ann/tokens") == [b'{"label":"command line"}', narrow]
    assert labelmill("account", "add", "ann", "--role", "king").status == 2


def test_inviting_listing_and_reading_the_log(labelmill: Labelmill, api: Any) -> None:
    api.on("POST /v1/projects/p/invitations", {"path": "/invitation#token=s3cret"}, 201)
    link = labelmill("account", "invite", "-p", "p", "--note", "Ann", "--hours", "24").out.strip()
    assert link.startswith("http://127.0.0.1:")
    assert link.endswith("/invitation#token=s3cret")
    body = b'{"roles":["reviewer"],"note":"Ann","hours":24}'
    assert api.bodies("POST /v1/projects/p/invitations") == [body]
    api.on("GET /v1/accounts", {"accounts": [{"name": "ann", "roles": ["manager", "reviewer"]}]})
    assert "manager, reviewer" in labelmill("account", "list").out
    member = {"name": "bob", "roles": ["reviewer"], "everywhere": []}
    api.on("GET /v1/projects/p/members", {"members": [member]})
    assert "roles in p" in labelmill("account", "list", "-p", "p").out
    entry = {
        "at": 1_700_000_000_000,
        "by": "ann",
        "act": "token.made",
        "subject": "bob",
        "project": None,
        "detail": {"label": "[/x]"},
    }
    api.on("GET /v1/audit?count=50&subject=bob", {"entries": [entry]})
    shown = labelmill("account", "audit", "--about", "bob").out
    assert "token.made" in shown
    assert "[/x]" in shown


def test_training_is_asked_of_the_trainer(
    labelmill: Labelmill, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no trainer is known here" in labelmill("train", "-p", "tweets").err
    monkeypatch.setenv("LABELMILL_TRAINER_URL", api.url)
    monkeypatch.setenv("LABELMILL_TRAINER_TOKEN", "other")
    api.on("POST /v1/projects/tweets/train", {"project": "tweets"}, 202)
    assert labelmill("train", "-p", "tweets").status == 0
    assert api.requests[-1][2]["authorization"] == "Bearer other"


def test_the_connection_of_a_local_system_is_found_and_private(
    labelmill: Labelmill, api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    connection.save(home, Connection(url=api.url, token="saved", kafka_bootstrap_servers="127.0.0.1:9"))
    assert stat.S_IMODE((home / connection.FILE).stat().st_mode) == 0o600
    monkeypatch.delenv("LABELMILL_URL")
    monkeypatch.delenv("LABELMILL_TOKEN")
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    api.on("GET /v1/projects", [])
    labelmill("project", "list")
    assert api.requests[-1][2]["authorization"] == "Bearer saved"
    assert connection.kafka_settings(home).kafka_bootstrap_servers == "127.0.0.1:9"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:8")
    assert connection.kafka_settings(home).kafka_bootstrap_servers == "127.0.0.1:8"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {"error": "unauthorized", "detail": "x"}, "sign-in was refused: set LABELMILL_TOKEN"),
        (403, {"error": "forbidden", "detail": "x"}, "this token may not do that"),
        (
            404,
            {"error": "unknown_project", "detail": "there is no project tweets"},
            "there is no project tweets",
        ),
        (500, b"<html>", "the server answered 500"),
        (200, b"<html>", "is no labelmill: check LABELMILL_URL"),
    ],
)
def test_refusals_by_the_server(labelmill: Labelmill, api: Any, status: int, body: object, says: str) -> None:
    api.on("GET /v1/projects/tweets/status", body, status)
    done = labelmill("status", "-p", "tweets")
    assert done.status == 1
    assert done.err.startswith("error: ")
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_without_a_system_it_says_how_to_get_one(
    labelmill: Labelmill, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        "start one with `labelmill up`, or set LABELMILL_URL and LABELMILL_TOKEN" in labelmill("status").err
    )
    monkeypatch.setenv("LABELMILL_URL", "http://127.0.0.1:1")
    assert "or set LABELMILL_TOKEN" in labelmill("status").err
    monkeypatch.setenv("LABELMILL_TOKEN", "x")
    done = labelmill("status")
    assert (done.status, done.err.partition(":")[2].partition(":")[0]) == (1, " cannot reach http")


def test_files_that_are_not_there(labelmill: Labelmill, api: Any) -> None:
    done = labelmill("project", "apply", "/no/such/file.yaml")
    assert (done.status, done.err) == (1, "error: cannot use /no/such/file.yaml: no such file or directory\n")
    assert labelmill("ingest", "/no/such/file", "-p", "tweets").status == 1


def test_a_damaged_connection_file(labelmill: Labelmill, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / connection.FILE).write_text("{")
    assert "is damaged: start labelmill again" in labelmill("status").err


def test_bootstrap_names_the_setting_that_is_wrong(
    labelmill: Labelmill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://127.0.0.1:1/x")
    assert "AUTOLABELER_DATABASE_PASSWORD is missing" in labelmill("bootstrap").err
    monkeypatch.setenv("KAFKA_PARTITIONS", "many")
    assert labelmill("bootstrap").err.startswith("error: KAFKA_PARTITIONS: input should be a valid integer")
    monkeypatch.delenv("KAFKA_PARTITIONS")
    monkeypatch.delenv("DATABASE_ADMIN_URL")
    assert "cannot reach Kafka" in labelmill("bootstrap").err


def test_surprises_do_not_show_a_traceback(
    labelmill: Labelmill, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("GET /v1/projects/tweets/status", [1])
    done = labelmill("status", "-p", "tweets")
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert done.err.startswith("error: unexpected AttributeError")
