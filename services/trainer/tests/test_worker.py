import io

import msgspec
import numpy as np
import pytest
from trainer.errors import WorkerFailed
from trainer.training_process import TrainingProcess
from trainer.work import LENGTH_BYTES, Broken, Embed, Fit, Fitted, Lacking, Reply, Request, framed
from trainer.worker import serve


def request(labels: list[str]) -> Fit:
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4)).astype("<f4")
    vectors[:, 0] += [3.0 if label == "a" else -3.0 for label in labels]
    rows = [str(row) for row in range(len(labels))]
    return Fit("e", 4, vectors.tobytes(), labels, rows, [1.0] * len(labels), 0.9)


def answers(*requests: Request) -> list[Reply]:
    sink = io.BytesIO()
    serve(io.BytesIO(b"".join(framed(each) for each in requests)), sink, 1)
    data, found = sink.getvalue(), []
    while data:
        end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
        found.append(msgspec.msgpack.decode(data[LENGTH_BYTES:end], type=Reply))
        data = data[end:]
    return found


def test_every_request_has_its_answer() -> None:
    fitted, lacking, broken = answers(request(["a", "b"] * 20), request(["a"] * 20), Embed("unknown", ["x"]))
    assert isinstance(fitted, Fitted)
    assert fitted.model.classes == ["a", "b"]
    assert isinstance(lacking, Lacking)
    assert lacking.reason.startswith("not enough")
    assert isinstance(broken, Broken)
    assert "unknown" in broken.error


async def test_the_process_answers_and_its_errors_come_back() -> None:
    async with TrainingProcess(1, 60) as process:
        assert isinstance(await process.call(request(["a", "b"] * 20)), Fitted)
        with pytest.raises(WorkerFailed, match="unknown"):
            await process.call(Embed("unknown", ["x"]))


async def test_a_process_that_dies_or_stalls_is_a_failure() -> None:
    async with TrainingProcess(1, 60) as process:
        process.kill()
        with pytest.raises(WorkerFailed, match="ended with status -9"):
            await process.call(request(["a", "b"] * 20))
    async with TrainingProcess(1, 0.01) as process:
        with pytest.raises(WorkerFailed, match="no answer within"):
            await process.call(request(["a", "b"] * 20))
