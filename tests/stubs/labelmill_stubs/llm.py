"""The LLM stub: `python -m labelmill_stubs.llm --port 8089 --latency-ms 200 --mode keyword`.

Serves POST /v1/chat/completions and GET /v1/models, and for tests POST /control and GET /stats.
"""

import argparse
import asyncio
import signal
from typing import Annotated

import msgspec
import uvloop

from labelmill_stubs.completions import BadRequest, Completion, complete, parse_request
from labelmill_stubs.counters import Counters, prompt_key
from labelmill_stubs.http import Connection, Request
from labelmill_stubs.modes import Behaviour, Mode, ModeSchedule

_GARBAGE = b"<html><body><h1>upstream connect error or disconnect before headers</h1></body></html>"
_DEFAULT_MODEL = "stub-model"


class Settings(msgspec.Struct, frozen=True):
    """How the stub answers until /control changes it. Times are milliseconds or seconds as named."""

    mode: Mode = Mode.NORMAL
    latency_ms: float = 200.0
    slow_ms: float = 5000.0
    retry_after_s: float = 1.0
    seed: int = 0


class Control(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control: whatever is given changes, the rest stays."""

    mode: Mode | None = None
    for_s: float | None = None
    share: float = 1.0
    latency_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    slow_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    retry_after_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    reset_stats: bool = False


class LlmStub:
    """The stub's state, and what it does with a request."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._schedule = ModeSchedule(settings.mode, settings.seed)
        self._counters = Counters()
        self._number = 0

    def handle(self, connection: Connection, request: Request) -> None:
        """Answer at once, or have the loop answer after the latency."""
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                self._chat(connection, request)
            case "GET", "/v1/models":
                self._send(connection, request, 200, {"object": "list", "data": [_model(_DEFAULT_MODEL)]})
            case "GET", "/stats":
                self._send(connection, request, 200, self._stats())
            case "POST", "/control":
                self._control(connection, request)
            case "GET", "/health":
                self._send(connection, request, 200, {"status": "ok"})
            case _, "/v1/chat/completions" | "/v1/models" | "/stats" | "/control" | "/health":
                self._send(connection, request, 405, _error("Not allowed to use this method here."))
            case _:
                self._send(connection, request, 404, _error(f"Unknown request URL: {request.path}"))

    def _send(
        self, connection: Connection, request: Request, status: int, answer: object, headers: str = ""
    ) -> None:
        body = msgspec.json.encode(answer)
        connection.respond(status, body, keep_alive=request.keep_alive, headers=headers)

    def _chat(self, connection: Connection, request: Request) -> None:
        behaviour = self._schedule.pick(self._loop.time())
        self._number += 1
        try:
            asked = parse_request(request.body)
            completion = complete(asked, behaviour, self._number)
        except BadRequest as error:
            self._counters.refused += 1
            self._send(connection, request, 400, _error(str(error)))
            return
        prompt = prompt_key(asked.model, bytes(asked.messages), asked.temperature, asked.seed)
        self._counters.arrive(prompt, behaviour.mode, asked.model)
        call = _Call(self, connection, request, behaviour, completion, prompt)
        connection.on_close = call.abandoned
        if behaviour.mode is Mode.HANG:
            return
        if behaviour.mode is Mode.RATE_LIMITED:
            call.finish()
            return
        wait = self._settings.slow_ms if behaviour.mode is Mode.SLOW else self._settings.latency_ms
        call.timer = self._loop.call_later(wait / 1000.0, call.finish)

    def finish(self, call: "_Call") -> None:
        """Send what the call's mode asks for, and count it."""
        counters = self._counters
        counters.in_flight -= 1
        match call.behaviour.mode:
            case Mode.RATE_LIMITED:
                counters.refused += 1
                seconds = f"{self._settings.retry_after_s:g}"
                error = _error("Rate limit reached for requests", "requests", "rate_limit_exceeded")
                self._send(call.connection, call.request, 429, error, f"Retry-After: {seconds}\r\n")
            case Mode.SERVER_ERROR:
                counters.refused += 1
                error = _error("The server had an error while processing your request.", "server_error")
                self._send(call.connection, call.request, 500, error)
            case Mode.TRUNCATED:
                counters.broken += 1
                call.connection.cut_short(call.completion.body)
            case Mode.GARBAGE:
                counters.broken += 1
                call.connection.respond(200, _GARBAGE, keep_alive=call.request.keep_alive)
            case _:
                counters.pay(call.prompt, call.completion.prompt_tokens, call.completion.completion_tokens)
                call.connection.respond(200, call.completion.body, keep_alive=call.request.keep_alive)

    def abandon(self) -> None:
        """Count a call whose client left before its answer."""
        self._counters.in_flight -= 1
        self._counters.abandoned += 1

    def _control(self, connection: Connection, request: Request) -> None:
        try:
            control = msgspec.json.decode(request.body, type=Control)
            if control.mode is not None:
                self._schedule.set(control.mode, self._loop.time(), control.for_s, control.share)
        except (msgspec.DecodeError, ValueError) as error:
            self._send(connection, request, 400, _error(str(error)))
            return
        changes = {
            name: value
            for name in ("latency_ms", "slow_ms", "retry_after_s")
            if (value := getattr(control, name)) is not None
        }
        self._settings = msgspec.structs.replace(self._settings, **changes)
        if control.reset_stats:
            self._reset_stats()
        self._send(connection, request, 200, self._stats())

    def _reset_stats(self) -> None:
        fresh = Counters()
        fresh.in_flight = fresh.max_in_flight = self._counters.in_flight
        self._counters = fresh

    def _stats(self) -> dict[str, object]:
        return {**self._counters.snapshot(), "now": self._schedule.current(self._loop.time())}


class _Call:
    """One chat call between its arrival and its answer."""

    __slots__ = ("behaviour", "completion", "connection", "prompt", "request", "stub", "timer")

    def __init__(
        self,
        stub: LlmStub,
        connection: Connection,
        request: Request,
        behaviour: Behaviour,
        completion: Completion,
        prompt: bytes,
    ) -> None:
        self.stub = stub
        self.connection = connection
        self.request = request
        self.behaviour = behaviour
        self.completion = completion
        self.prompt = prompt
        self.timer: asyncio.TimerHandle | None = None

    def finish(self) -> None:
        self.stub.finish(self)

    def abandoned(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.stub.abandon()


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "labelmill-stubs"}


def _error(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


async def start(settings: Settings, port: int = 0, host: str = "127.0.0.1") -> asyncio.Server:
    """Listen (port 0: any free one); the server runs until closed. Raises OSError if the port is taken."""
    loop = asyncio.get_running_loop()
    stub = LlmStub(settings, loop)
    return await loop.create_server(lambda: Connection(stub.handle), host, port, backlog=2048)


async def serve(settings: Settings, port: int, host: str) -> None:
    """Run until SIGINT or SIGTERM. The first line printed says where it listens."""
    server = await start(settings, port, host)
    bound = server.sockets[0].getsockname()[1]
    print(f"listening on http://{host}:{bound}", flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and serve."""
    default = Settings()
    parser = argparse.ArgumentParser(prog="labelmill_stubs.llm", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, default=0, help="0 takes a free one, named in the first line printed"
    )
    parser.add_argument("--mode", type=Mode, default=default.mode, choices=list(Mode))
    parser.add_argument("--latency-ms", type=float, default=default.latency_ms)
    parser.add_argument("--slow-ms", type=float, default=default.slow_ms, help="latency in mode slow")
    parser.add_argument("--retry-after-s", type=float, default=default.retry_after_s, help="told in mode 429")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the draw that share uses")
    args = parser.parse_args(argv)
    settings = Settings(args.mode, args.latency_ms, args.slow_ms, args.retry_after_s, args.seed)
    uvloop.run(serve(settings, args.port, args.host))


if __name__ == "__main__":
    main()
