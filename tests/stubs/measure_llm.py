"""How many calls a second the LLM stub sustains: `python measure_llm.py --calls 30000 --connections 256`.

The load comes from bare sockets with fixed request bytes, so that it takes less of the machine than the
stub does.
"""

import argparse
import asyncio
import json
import resource
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop
from labelmill_stubs.process import running

_GUIDELINE = (
    "You label short texts. Decide what the writer of the text feels about its subject. Irony counts as what "
    "it means. A text that reports a fact is labeled by what the fact means to its writer.\n\n"
    "Options:\nA. positive\nB. negative\n\nAnswer with one letter."
)


def request_bytes(number: int) -> bytes:
    """A request like the autolabeler's, with an item of its own."""
    messages = [
        {"role": "system", "content": _GUIDELINE},
        {
            "role": "user",
            "content": f"Text number {number}: we had a great time at the lake, sad to be home again.",
        },
    ]
    asked = {
        "model": "m",
        "messages": messages,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }
    body = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: stub\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Caller(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, numbers: "asyncio.Queue[int]", left: "list[int]", done: asyncio.Event) -> None:
        self._numbers, self._left, self._done = numbers, left, done
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._next()

    def _next(self) -> None:
        if self._transport is not None and not self._numbers.empty():
            self._transport.write(request_bytes(self._numbers.get_nowait()))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        start = self._buffer.index(b"Content-Length: ") + 16
        length = int(self._buffer[start : self._buffer.index(b"\r\n", start)])
        if len(self._buffer) >= end + 4 + length:
            assert self._buffer.startswith(b"HTTP/1.1 200")
            self._buffer = b""
            self._left[0] -= 1
            if self._left[0] == 0:
                self._done.set()
            self._next()


async def load(host: str, port: int, calls: int, connections: int) -> float:
    """Seconds for `calls` calls over `connections` connections."""
    numbers: asyncio.Queue[int] = asyncio.Queue()
    for number in range(calls):
        numbers.put_nowait(number)
    left, done, loop = [calls], asyncio.Event(), asyncio.get_running_loop()
    started = time.perf_counter()
    await asyncio.gather(
        *(loop.create_connection(lambda: Caller(numbers, left, done), host, port) for _ in range(connections))
    )
    await done.wait()
    return time.perf_counter() - started


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def main() -> None:
    """Start a stub, load it, print what it sustained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=30000)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--mode", default="normal")
    args = parser.parse_args()
    with running("llm", "--latency-ms", str(args.latency_ms), "--mode", args.mode) as stub:
        parts = urlsplit(stub.url)
        assert parts.hostname is not None
        assert parts.port is not None
        before = cpu_seconds(stub.pid)
        seconds = uvloop.run(load(parts.hostname, parts.port, args.calls, args.connections))
        used = cpu_seconds(stub.pid) - before
        own = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        print(
            f"{args.calls / seconds:.0f} calls/s; stub {used / args.calls * 1e6:.0f} us of CPU a call "
            f"({used / seconds:.0%} of a core, so {args.calls / used:.0f}/s a core); "
            f"load {own / args.calls * 1e6:.0f} us"
        )


if __name__ == "__main__":
    main()
