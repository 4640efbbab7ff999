"""Trying policies on what the real services recorded: what was in force gives what happened, to the item."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from labelmill_cli.app import run
from labelmill_local.system import System
from labelmill_stubs.process import running

ITEMS = 200
PROJECT = """
project: {project}
title: Notes
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: stub, input_usd_per_mtok: 1.0, output_usd_per_mtok: 1.0}}]
policy: {policy}
"""
Replayed = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """review-api, autolabeler and router, with a stand-in for the LLM."""
    with running("llm") as stub:
        async with System(tmp_path_factory.mktemp("replay")) as system:
            await system.add("review-api")
            await asyncio.gather(
                system.add("autolabeler", env={"OPENAI_BASE_URL": stub.base_url}), system.add("router")
            )
            yield system


@pytest.fixture
def admin(system: System) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {system.admin_token}"}
    with httpx.Client(base_url=system.services[0].url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def replayed(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Replayed:
    """Returns what `labelmill replay` says of a project under a policy."""
    monkeypatch.setenv("LABELMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABELMILL_URL", system.services[0].url)
    monkeypatch.setenv("LABELMILL_TOKEN", system.admin_token)

    def replayed(project: str, policy: str) -> dict[str, Any]:
        file = tmp_path / "tried.yaml"
        file.write_text(PROJECT.format(project=project, policy=policy))
        with pytest.raises(SystemExit) as ended:
            run(["replay", "--policy", str(file), project, "--json"])
        printed = capfd.readouterr()
        assert not ended.value.code, printed
        found: dict[str, Any] = json.loads(printed.out)
        return found

    return replayed


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def labelled(admin: httpx.Client, project: str, policy: str) -> dict[str, Any]:
    """Have ITEMS items labelled and all that goes to people decided; return the status."""

    def status() -> dict[str, Any]:
        found: dict[str, Any] = admin.get(f"/v1/projects/{project}/status").raise_for_status().json()
        return found

    definition = PROJECT.format(project=project, policy=policy)
    admin.put(f"/v1/projects/{project}", content=definition).raise_for_status()
    lines = [json.dumps({"item_id": f"n{n}", "content": f"note {n} of {project}"}) for n in range(ITEMS)]
    admin.post(f"/v1/projects/{project}/items", content="\n".join(lines)).raise_for_status()
    until(lambda: status()["accepted"] + status()["requested"] == ITEMS)
    while tasks := _claimed(admin, project):
        for task in tasks:
            answer = {"lease": task["lease"], "label": "positive"}
            admin.post(f"/v1/tasks/{task['task_id']}/decision", json=answer).raise_for_status()
    return status()


def _claimed(admin: httpx.Client, project: str) -> list[dict[str, Any]]:
    answer = admin.post(f"/v1/projects/{project}/tasks/claim", json={"count": 20})
    tasks: list[dict[str, Any]] = answer.raise_for_status().json()["tasks"]
    return tasks


async def test_thresholds_give_what_happened_and_lower_ones_what_would_have(
    admin: httpx.Client, replayed: Replayed
) -> None:
    policy = "{accept_threshold: 0.7, cold_start_threshold: 0.8, audit_rate: 0.3}"
    status = await asyncio.to_thread(labelled, admin, "plain", policy)
    found = replayed("plain", policy)
    assert found["reproduced"] == found["routes"] == ITEMS
    assert found["tried"] == found["recorded"]
    assert found["recorded"]["accepted"] == status["accepted"] > 0
    assert found["recorded"]["people"] == status["requested"] > 0
    assert found["recorded"]["audits"] == status["audits"] > 0
    assert found["recorded"]["error"]["decided"] == found["recorded"]["error"]["blind"] == status["audits"]
    assert found["recorded"]["machine_usd"] == pytest.approx(status["cost_usd"])
    assert found["recorded"]["people_minutes"] == pytest.approx(status["human_seconds"] / 60.0)

    lower = replayed("plain", policy.replace("0.8", "0.6"))
    assert lower["newly_people"] == 0
    assert lower["tried"]["accepted"] == status["accepted"] + lower["newly_accepted"] > status["accepted"]
    assert lower["tried"]["error"]["decided"] > status["audits"]
    assert lower["tried"]["error"]["error"] is not None


async def test_a_promise_gives_what_happened_and_its_audits_judge_thresholds(
    admin: httpx.Client, replayed: Replayed
) -> None:
    policy = "{target_error: 0.05}"
    status = await asyncio.to_thread(labelled, admin, "promised", policy)
    assert status["accepted"] == 0
    found = replayed("promised", policy)
    assert found["reproduced"] == ITEMS
    assert found["evidence"] is None
    assert found["tried"] == found["recorded"]
    assert found["recorded"]["reasons"] == {"cold_start": ITEMS}

    other = replayed("promised", "{target_error: 0.1}")
    # There is no release here, and a promise accepts nothing without one.
    assert other["evidence"]["state"] == "gathering"
    assert other["tried"]["accepted"] == 0
    plain = replayed("promised", "{cold_start_threshold: 0.6}")
    assert 0 < plain["tried"]["accepted"] < ITEMS
    assert plain["tried"]["error"]["blind"] == plain["tried"]["error"]["labels"]
