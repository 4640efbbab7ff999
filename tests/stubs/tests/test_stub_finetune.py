"""The fine-tuning stub: through the openai package, and its checks on their own."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from labelmill_stubs import training_file
from labelmill_stubs.finetune import make_app
from labelmill_stubs.jobs import Mode, Workshop
from labelmill_stubs.process import running


def example(number: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "Label the text."},
            {"role": "user", "content": f"text {number}"},
            {"role": "assistant", "content": "A"},
        ]
    }


def jsonl(*lines: Any) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


GOOD = jsonl(*(example(number) for number in range(12)))


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest_asyncio.fixture
async def client(workshop: Workshop) -> AsyncIterator[openai.AsyncOpenAI]:
    async with TestServer(make_app(workshop)) as server:
        url = str(server.make_url("/v1"))
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as opened:
            yield opened


async def upload(client: openai.AsyncOpenAI, content: bytes = GOOD) -> str:
    return (await client.files.create(file=("train.jsonl", content), purpose="fine-tune")).id


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("", "blank line"),
        ({"prompt": "x"}, "list of messages"),
        ({"messages": []}, "list of messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "unknown role"),
        ({"messages": [{"role": "user", "content": None}]}, "content"),
        ({"messages": [{"role": "user", "content": "x"}]}, "last message"),
    ],
)
def test_a_bad_line_is_named(line: Any, words: str) -> None:
    found = training_file.problems(jsonl(example(1), line, example(2)))
    assert len(found) == 1
    assert found[0].startswith("Line 2: ")
    assert words in found[0]


def test_whole_files() -> None:
    assert training_file.problems(GOOD) == []
    assert training_file.problems(b"\xff\xfe") == ["The file is not UTF-8 (byte 0)."]
    assert training_file.problems(b"") == ["The file is empty."]


async def test_a_job_goes_through_its_stages(client: openai.AsyncOpenAI, workshop: Workshop) -> None:
    job = await client.fine_tuning.jobs.create(
        model="base", training_file=await upload(client), suffix="tweets", metadata={"release": "r1"}
    )
    seen = [job.status]
    while job.status not in {"succeeded", "failed", "cancelled"}:
        job = await client.fine_tuning.jobs.retrieve(job.id)
        seen.append(job.status)
    assert list(dict.fromkeys(seen)) == ["validating_files", "queued", "running", "succeeded"]
    assert job.fine_tuned_model == "ft:base:stub:tweets:stub000001"
    assert job.trained_tokens is not None
    assert job.trained_tokens > 0
    assert [model.id async for model in client.models.list()] == [job.fine_tuned_model]
    assert workshop.stats()["by_status"] == {"succeeded": 1}
    events = await client.fine_tuning.jobs.list_events(job.id)
    assert "succeeded" in events.data[0].message


def test_stages_can_take_time_as_well() -> None:
    workshop = Workshop(polls_per_stage=2, seconds_per_stage=5.0)
    stored = workshop.upload("a.jsonl", "fine-tune", GOOD, now=0.0)
    job = workshop.create({"model": "base", "training_file": stored.id}, now=0.0)
    states = [workshop.poll(job.id, now=at).status for at in (1.0, 2.0, 3.0, 5.0, 6.0, 10.0)]
    assert states == ["validating_files"] * 3 + ["queued"] * 2 + ["running"]


async def test_bad_uploads_are_refused_with_the_line(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Line 2: not JSON"):
        await upload(client, jsonl(example(1), "{"))
    with pytest.raises(openai.BadRequestError, match="extension"):
        await client.files.create(file=("train.csv", b"a,b"), purpose="fine-tune")


async def test_too_few_examples_fail_the_job(client: openai.AsyncOpenAI) -> None:
    job = await client.fine_tuning.jobs.create(
        model="base", training_file=await upload(client, jsonl(example(1)))
    )
    for _ in range(3):
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.code == "invalid_n_examples"


async def test_failure_mode_fails_running_jobs(client: openai.AsyncOpenAI, workshop: Workshop) -> None:
    workshop.mode = Mode.FAIL
    job = await client.fine_tuning.jobs.create(model="base", training_file=await upload(client))
    for _ in range(6):
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert (job.status, job.fine_tuned_model) == ("failed", None)


@pytest.mark.parametrize(
    ("mode", "error"),
    [(Mode.RATE_LIMITED, openai.RateLimitError), (Mode.SERVER_ERROR, openai.InternalServerError)],
)
async def test_outages(
    client: openai.AsyncOpenAI, workshop: Workshop, mode: Mode, error: type[Exception]
) -> None:
    workshop.mode = mode
    with pytest.raises(error):
        await client.fine_tuning.jobs.list()
    assert workshop.stats()["refused"] == 1


async def test_jobs_are_found_by_metadata(client: openai.AsyncOpenAI) -> None:
    file = await upload(client)
    for release in ("r1", "r2", "r3"):
        await client.fine_tuning.jobs.create(model="base", training_file=file, metadata={"release": release})
    found = await client.fine_tuning.jobs.list(metadata={"release": "r2"})
    assert [job.metadata for job in found.data] == [{"release": "r2"}]
    assert [job.id async for job in client.fine_tuning.jobs.list(limit=1)] == [
        "ftjob-stub000003",
        "ftjob-stub000002",
        "ftjob-stub000001",
    ]


async def test_a_second_job_with_the_same_metadata(client: openai.AsyncOpenAI, workshop: Workshop) -> None:
    file = await upload(client)

    async def create() -> str:
        metadata = {"release": "r1"}
        return (await client.fine_tuning.jobs.create(model="base", training_file=file, metadata=metadata)).id

    first = await create()
    assert await create() != first
    assert workshop.stats()["duplicate_jobs"] == 1
    workshop.idempotent = True
    assert await create() == first


async def test_jobs_can_be_cancelled_once(client: openai.AsyncOpenAI) -> None:
    job = await client.fine_tuning.jobs.create(model="base", training_file=await upload(client))
    assert (await client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="already cancelled"):
        await client.fine_tuning.jobs.cancel(job.id)


async def test_what_does_not_exist(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.fine_tuning.jobs.retrieve("ftjob-none")
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve("file-none")
    with pytest.raises(openai.BadRequestError, match="invalid training_file"):
        await client.fine_tuning.jobs.create(model="base", training_file="file-none")


async def test_files_can_be_read_and_deleted(client: openai.AsyncOpenAI) -> None:
    file = await upload(client)
    assert (await client.files.content(file)).content == GOOD
    assert [each.id async for each in client.files.list(purpose="fine-tune")] == [file]
    assert (await client.files.delete(file)).deleted


def test_runs_as_its_own_process() -> None:
    with running("finetune", "--polls-per-stage", "3") as stub:
        assert stub.control(mode="fail")["mode"] == "fail"
        assert stub.stats()["jobs"] == 0
