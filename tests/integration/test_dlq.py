"""`labelmill dlq` on a real Kafka: letters are listed once, shown as they were, and sent back unchanged."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord
from labelmill import bootstrap
from labelmill.errors import InvalidRecord
from labelmill.runtime import kafka as connect
from labelmill.runtime.dlq import DeadLetter, DeadLetters
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.settings import KafkaSettings
from labelmill_cli.app import run
from labelmill_local.kafka import Kafka
from labelmill_stubs.topics import read_to_end

TOPIC = "labels.accepted"
"""No service that other tests of this broker start reads it, so no letters but these get into its DLQ."""
HEADERS = (("traceparent", b"00-a-b-00"), ("odd", b"\xff"), ("dlq-reason", b"from before"))


@pytest.fixture
def settings(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    found = KafkaSettings()
    asyncio.run(bootstrap.create_topics(found))
    return found


@asynccontextmanager
async def publishing(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


def record(offset: int, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(TOPIC, offset % 4, offset, 0, 0, b"p/i", value, None, 3, 0, HEADERS)


async def bury(settings: KafkaSettings, *letters: tuple[int, bytes | None, str]) -> None:
    async with publishing(settings) as publisher:
        dead = [
            DeadLetter(record(offset, value), InvalidRecord(reason, "why"))
            for offset, value, reason in letters
        ]
        await DeadLetters(publisher, "trainer").send(dead)


async def ends(settings: KafkaSettings) -> dict[int, int]:
    consumer = connect.reader(settings, TOPIC)
    await consumer.start()
    try:
        return {tp.partition: end for tp, end in (await consumer.end_offsets(consumer.assignment())).items()}
    finally:
        await consumer.stop()


async def sent_back(settings: KafkaSettings, since: dict[int, int]) -> list[ConsumerRecord]:
    return [r for r in await read_to_end(settings, TOPIC) if r.offset >= since[r.partition]]


def labelmill(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """Run a command; return its output if all is well, else what it says about the error."""
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    printed = capsys.readouterr()
    assert ended.value.code == status, printed
    return printed.err if status else printed.out + printed.err


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str]]:
    output = labelmill(capsys, "dlq", "list", "--topic", TOPIC, "--json", *arguments)
    return [(letter["id"], letter["reason"]) for letter in map(json.loads, output.splitlines())]


def test_letters_are_listed_shown_and_sent_back(
    settings: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    since = asyncio.run(ends(settings))
    large = b'{"blob":"' + b"x" * 3_000_000 + b'"}'
    asyncio.run(
        bury(
            settings,
            (101, b'{"a":1}', "invalid_event"),
            (102, b"\xff\x00", "invalid_utf8"),
            (103, None, "empty_record"),
            (104, large, "invalid_event"),
            (105, b"{", "malformed_json"),
        )
    )
    asyncio.run(bury(settings, (101, b'{"a":1}', "invalid_event")))  # delivered and buried again
    every = listed(capsys)
    assert [letter_id for letter_id, _ in every] == [f"{TOPIC}/{n % 4}/{n}" for n in range(101, 106)]
    assert "invalid_utf8" in labelmill(capsys, "dlq", "list", "--reason", "invalid_utf8")

    shown = labelmill(capsys, "dlq", "show", f"{TOPIC}/1/101")
    assert '"a": 1' in shown
    assert "trainer" in shown
    assert r"b'\xff'" in shown

    assert "1 sent back" in labelmill(capsys, "dlq", "retry", f"{TOPIC}/1/101")
    assert "1 sent back" in labelmill(capsys, "dlq", "retry", "--reason", "invalid_event")
    assert [reason for _, reason in listed(capsys)] == ["invalid_utf8", "empty_record", "malformed_json"]
    assert "3 sent back" in labelmill(capsys, "dlq", "retry", "--all", "--topic", TOPIC)
    assert listed(capsys) == []
    assert "no dead letters to send back" in labelmill(capsys, "dlq", "retry", "--all", "--topic", TOPIC)

    found = asyncio.run(sent_back(settings, since))
    assert sorted((r.partition, r.value or b"") for r in found) == sorted(
        [(1, b'{"a":1}'), (2, b"\xff\x00"), (3, b""), (0, large), (1, b"{")]
    )
    assert {r.headers for r in found} == {(("traceparent", b"00-a-b-00"), ("odd", b"\xff"))}
    assert {r.key for r in found} == {b"p/i"}


def test_a_letter_buried_again_after_its_retry_is_a_new_letter(
    settings: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(bury(settings, (201, b"{", "again")))
    labelmill(capsys, "dlq", "retry", "--reason", "again", "--topic", TOPIC)
    asyncio.run(bury(settings, (201, b"{", "again")))  # the same delivery: already sent back
    assert listed(capsys, "--reason", "again") == []
    asyncio.run(bury(settings, (205, b"{", "again")))  # the retried record failed once more
    assert listed(capsys, "--reason", "again") == [(f"{TOPIC}/1/205", "again")]
    labelmill(capsys, "dlq", "retry", "--all", "--topic", TOPIC)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retry"], "say which"),
        (["retry", "--all", "--reason", "x"], "say which"),
        (["retry", f"{TOPIC}/0/999999"], "see `labelmill dlq list`"),
        (["show", f"{TOPIC}/0/999999"], "see `labelmill dlq list`"),
        (["show", "nonsense"], "nonsense has no dead letters; the topics with some are items"),
        (["list", "--topic", "projects"], "projects has no dead letters"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    settings: KafkaSettings, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    said = labelmill(capsys, "dlq", *arguments, status=1)
    assert says in said
    assert len(said.splitlines()) == 1


def test_without_a_broker_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    said = labelmill(capsys, "dlq", "list", status=1)
    assert said.startswith("error: cannot reach Kafka: start it with `labelmill up`")
