"""The whole system at once: `labelmill demo` with a stand-in for the LLM, then bad input for the same system.

The demo's tweets are those of which people are surest, so that a student learns from a few dozen of them.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import ITEMS, LABELS_SCORED, REVIEWS_DECIDED
from labelmill_local.ports import HOST, free_port
from labelmill_local.settings import PORTS
from labelmill_stubs.process import RunningStub, running
from labelmill_stubs.topics import read_to_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
TWEETS = Path(__file__).parents[2] / "examples" / "tweets"
COUNT = 200
STRICT = "policy: {accept_threshold: 1.0, cold_start_threshold: 1.0}"
LAX = "policy: {accept_threshold: 0.0, cold_start_threshold: 0.0, audit_rate: 0.0}"
PROJECT = """
project: tweets
title: Is this tweet positive or negative?
labels: [{name: positive}, {name: negative}]
guideline: Decide whether the tweet is positive or negative.
voters:
  - {name: llm, type: llm, model: stub, input_usd_per_mtok: 1, output_usd_per_mtok: 4}
  - {name: student, type: student}
policy: {accept_threshold: 0.6, cold_start_threshold: 1.0, audit_rate: 0.0}
training: {min_decisions: 1000, every_corrections: 1000, holdout_share: 0.3, sure_accuracy: 0.7}
minutes_per_decision: 0.5
usd_per_hour: 12
"""
OTHER = """
project: {project}
title: Notes
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say how the writers of {project} feel.
voters: [{{name: llm, type: llm, model: stub}}]
{policy}
"""


def example(folder: Path) -> Path:
    """Write an example of the tweets with the most extreme ratings, as many of one sign as of the other."""
    folder.mkdir()
    rows = [json.loads(line) for line in (TWEETS / "raters.jsonl").read_bytes().splitlines()]
    rows.sort(key=lambda row: sum(row["ratings"]) / len(row["ratings"]))
    chosen = {row["item_id"]: row for row in [*rows[: COUNT // 2], *rows[-COUNT // 2 :]]}
    items = (TWEETS / "items.jsonl").read_bytes().splitlines()
    (folder / "items.jsonl").write_bytes(
        b"\n".join(item for item in items if json.loads(item)["item_id"] in chosen)
    )
    (folder / "raters.jsonl").write_text("\n".join(map(json.dumps, chosen.values())))
    (folder / "project.yaml").write_text(PROJECT)
    return folder


@dataclass(frozen=True)
class Demo:
    """A demo that has written its report and was asked to keep running."""

    home: Path
    output: Path
    environment: dict[str, str]
    stub: RunningStub
    llm: dict[str, Any]
    """What the stand-in for the LLM had counted by the end of the demo."""

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.output / "report.json").read_bytes()))

    @property
    def connection(self) -> dict[str, str]:
        return dict(json.loads((self.home / "connection.json").read_bytes()))

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(kafka_bootstrap_servers=self.connection["kafka_bootstrap_servers"])

    def client(self, service: str = "") -> httpx.Client:
        """A client of review-api, or with "trainer_" of the trainer."""
        headers = {"Authorization": f"Bearer {self.connection[f'{service}token']}"}
        return httpx.Client(base_url=self.connection[f"{service}url"], headers=headers, timeout=30)

    def query(self, sql: str) -> list[Any]:
        password = (self.home / "postgres" / "admin-password").read_text().strip()
        port = self.environment["LABELMILL_POSTGRES_PORT"]

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(
                f"postgresql://labelmill_admin:{password}@{HOST}:{port}/labelmill"
            )
            try:
                return list(await connection.fetch(sql))
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def labelmill(self, *arguments: str, status: int = 0) -> str:
        """Run a command and return all that it printed."""
        argv = [sys.executable, "-m", "labelmill_cli", *arguments]
        done = subprocess.run(argv, env=self.environment, capture_output=True, check=False, timeout=120)
        printed = (done.stdout + done.stderr).decode()
        assert done.returncode == status, printed
        return printed

    def letters(self) -> Counter[tuple[str, str]]:
        """The topic and the reason of every dead letter that waits."""
        listed = self.labelmill("dlq", "list", "--json").splitlines()
        letters = [json.loads(line) for line in listed if line.startswith("{")]
        for letter in letters:
            assert letter["id"].startswith(f"{letter['topic']}/{letter['partition']}/")
        return Counter((letter["topic"], letter["reason"]) for letter in letters)

    def apply(self, project: str, policy: str) -> None:
        file = self.home / f"{project}.yaml"
        file.write_text(OTHER.format(project=project, policy=policy))
        assert "applied: version 1" in self.labelmill("project", "apply", str(file))

    def publish(self, topic: str, key: str, *values: bytes) -> None:
        """Put records on a topic as a program might that knows no better."""

        async def put() -> None:
            publisher = Publisher(self.kafka)
            await publisher.start()
            try:
                await publisher.publish(topic, [OutRecord(0, key.encode(), value) for value in values])
            finally:
                await publisher.stop()

        asyncio.run(put())

    def labels(self, project: str) -> dict[str, str]:
        """The label of every item that has its final one."""
        with self.client() as client:
            lines = client.get(f"/v1/projects/{project}/labels").raise_for_status().text.splitlines()
        rows = [json.loads(line) for line in lines]
        assert len({row["item_id"] for row in rows}) == len(rows)
        return {row["item_id"]: row["label"] for row in rows}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    home, output = folder / "home", folder / "report"
    with running("llm", "--latency-ms", "20") as stub:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DATA"))},
            **{f"LABELMILL_{name.upper()}": "0" for name in PORTS},
            "LABELMILL_POSTGRES_PORT": str(free_port()),
            "LABELMILL_HOME": str(home),
            "OPENAI_BASE_URL": stub.base_url,
            "COLUMNS": "200",
        }
        argv = ["demo", "--keep", "--items", str(COUNT), "--example", str(example(folder / "example"))]
        argv += ["--home", str(home), "--output", str(output)]
        log = folder / "demo.log"
        with log.open("wb") as printed:
            process = subprocess.Popen(
                [sys.executable, "-m", "labelmill_cli", *argv],
                env=environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, 300)
            assert process.poll() is None, log.read_text()
            yield Demo(home, output, environment, stub, stub.stats())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        assert process.returncode == 0, log.read_text()


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_item_gets_one_label_and_the_student_takes_over(demo: Demo) -> None:
    report = demo.report
    first, *_, last = rounds = report["rounds"]
    assert report["items"] == report["final_labels"] == sum(each["items"] for each in rounds) == COUNT
    assert (first["release"], first["human_share"], first["student_only"]) == (0, 1.0, 0)
    assert first["llm_calls"] >= first["items"], "some texts name a label, and are looked at twice"
    assert last["release"] >= 1
    assert last["student_only"] > 0
    assert last["llm_calls"] + last["student_only"] >= last["items"]
    assert last["human_share"] < 0.5
    assert report["accuracy"] > 0.8
    (counted,) = demo.query(
        "SELECT count(*) AS labels, count(DISTINCT item_id) AS items,"
        " count(*) FILTER (WHERE source = 'machine') AS accepted"
        " FROM review.final_labels WHERE project = 'tweets'"
    )
    accepted = sum(round(each["items"] * (1 - each["human_share"])) for each in rounds)
    assert dict(counted) == {"labels": COUNT, "items": COUNT, "accepted": accepted}


def test_its_money_and_minutes_add_up(demo: Demo) -> None:
    report = demo.report
    decisions = sum(each["decisions"] for each in report["rounds"])
    assert report["human_minutes"]["spent"] == pytest.approx(decisions * 0.5, abs=0.1)
    assert report["human_minutes"]["humans_alone"] == COUNT * 0.5
    money = report["money"]
    people = decisions * 0.5 / 60 * 12
    stats = demo.llm
    assert stats["paid_prompts"] == sum(each["llm_calls"] for each in report["rounds"]) < COUNT
    llm = (stats["prompt_tokens"] + 4 * stats["completion_tokens"]) / 1e6
    assert money["spent"] == pytest.approx(people + llm, abs=0.01)
    assert money["saved"] == pytest.approx(money["humans_alone"] - money["spent"], abs=0.001)
    assert money["saved"] > 0


def test_the_release_that_answers_was_promoted(demo: Demo) -> None:
    with demo.client("trainer_") as client:
        told = client.get("/v1/projects/tweets/releases").json()
    (in_force,) = [release for release in told["releases"] if release["in_force"]]
    assert in_force["published_at"]
    assert in_force["number"] >= demo.report["rounds"][-1]["release"]
    assert any(candidate["promoted"] for candidate in told["candidates"])


def items(name: str, count: int) -> bytes:
    rows = [{"item_id": f"{name}-{n}", "content": f"a note on {name}, number {n}"} for n in range(count)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_bad_lines_are_told_and_the_good_ones_end_final(demo: Demo, tmp_path: Path) -> None:
    demo.apply("lines", LAX)
    good = items("good", 20)
    bad = [
        b"{",
        b'{"item_id":"utf8","content":"\xff"}',
        json.dumps({"item_id": "large", "content": "x" * 2_000_000}).encode(),
        json.dumps({"item_id": "good-0", "content": "something else"}).encode(),
        b'{"item_id":"empty","content":" "}',
        good.splitlines()[1],
    ]
    (tmp_path / "items.jsonl").write_bytes(good + b"\n".join(bad))
    said = demo.labelmill("ingest", str(tmp_path / "items.jsonl"), "-p", "lines", status=1)
    assert "20 accepted, 1 duplicates, 5 rejected" in said
    for line, reason in (
        (21, "malformed_json"),
        (22, "invalid_utf8"),
        (23, "content_too_large"),
        (24, "conflicting_duplicate"),
        (25, "content_empty"),
    ):
        assert any(told.split()[:1] == [str(line)] and reason in told for told in said.splitlines()), said
    assert "nowhere" in demo.labelmill("ingest", str(tmp_path / "items.jsonl"), "-p", "nowhere", status=1)
    until(lambda: set(demo.labels("lines")) == {f"good-{n}" for n in range(20)})


def test_a_label_outside_the_set_is_refused_and_the_task_stays(demo: Demo, tmp_path: Path) -> None:
    demo.apply("asked", STRICT)
    (tmp_path / "items.jsonl").write_bytes(items("asked", 1))
    demo.labelmill("ingest", str(tmp_path / "items.jsonl"), "-p", "asked")
    claimed: list[dict[str, Any]] = []
    with demo.client() as client:

        def claim() -> bool:
            claimed.extend(client.post("/v1/projects/asked/tasks/claim", json={"count": 1}).json()["tasks"])
            return bool(claimed)

        until(claim)
        (task,) = claimed
        decision = {"lease": task["lease"], "label": "meh"}
        refused = client.post(f"/v1/tasks/{task['task_id']}/decision", json=decision)
        assert (refused.status_code, "meh" in refused.text) == (422, True), refused.text
        decided = client.post(f"/v1/tasks/{task['task_id']}/decision", json=decision | {"label": "positive"})
        assert decided.is_success, decided.text
    until(lambda: demo.labels("asked") == {"asked-0": "positive"})


def test_strange_events_are_buried_with_reason_and_origin(demo: Demo, tmp_path: Path) -> None:
    """On every topic that a service reads from another, while good items pass."""
    demo.apply("events", LAX)
    (tmp_path / "items.jsonl").write_bytes(items("events", 10))
    demo.labelmill("ingest", str(tmp_path / "items.jsonl"), "-p", "events")
    item = {"v": 1, "project": "events", "item_id": "odd", "content": "odd"}
    scored = _newest(demo, LABELS_SCORED.name)
    decided = _newest(demo, REVIEWS_DECIDED.name)
    before = demo.letters()
    for topic, document in (
        (ITEMS.name, item),
        (LABELS_SCORED.name, scored),
        (REVIEWS_DECIDED.name, decided),
    ):
        changes = [{"v": 9}, {"project": "nowhere"}]
        if topic != ITEMS.name:
            changes.append({"label": "meh"})
        odd = [json.dumps(document | change).encode() for change in changes]
        demo.publish(topic, "events/odd", b"{", b"\xff\xfe", *odd)
    (tmp_path / "more.jsonl").write_bytes(items("later", 10))
    demo.labelmill("ingest", str(tmp_path / "more.jsonl"), "-p", "events")
    reasons = ["malformed_json", "invalid_utf8", "unknown_schema_version", "unknown_project"]
    topics = [ITEMS.name, LABELS_SCORED.name, REVIEWS_DECIDED.name]
    expected = Counter([(topic, reason) for topic in topics for reason in reasons])
    expected.update((topic, "label_outside_set") for topic in topics[1:])
    until(lambda: demo.letters() - before == expected)
    until(lambda: len(demo.labels("events")) == 20)


def _newest(demo: Demo, topic: str) -> dict[str, Any]:
    """The last good event of the demo on a topic."""
    records = asyncio.run(read_to_end(demo.kafka, topic))
    return dict(json.loads(next(r.value for r in reversed(records) if (r.key or b"").startswith(b"tweets/"))))


def test_what_the_llm_spoils_is_buried_and_labelled_after_a_retry(demo: Demo, tmp_path: Path) -> None:
    demo.apply("spoilt", LAX)
    file = tmp_path / "items.jsonl"
    reasons = {"prose": "llm_prose", "no_logprobs": "llm_no_logprobs", "truncated": "llm_malformed"}
    before = demo.letters()
    for mode, reason in reasons.items():
        demo.stub.control(mode=mode)
        file.write_bytes(items(mode, 2))
        demo.labelmill("ingest", str(file), "-p", "spoilt")
        until(lambda reason=reason: (demo.letters() - before)[ITEMS.name, reason] == 2)
        demo.stub.control(mode="normal")
    demo.stub.control(mode="429", for_s=3, retry_after_s=0.5)
    file.write_bytes(items("late", 5))
    demo.labelmill("ingest", str(file), "-p", "spoilt")
    until(lambda: set(demo.labels("spoilt")) == {f"late-{n}" for n in range(5)})
    for reason in reasons.values():
        assert "2 sent back" in demo.labelmill("dlq", "retry", "--reason", reason)
    until(lambda: len(demo.labels("spoilt")) == 5 + 2 * len(reasons))
    assert demo.letters() == before
