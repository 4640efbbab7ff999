"""A small server that speaks review-api's HTTP API, and running the command line against it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import uvicorn
from labelmill_cli import output
from labelmill_cli.app import run
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = tuple[int, object, dict[str, str]]


@dataclass
class FakeApi:
    """Answers each `METHOD /path` with the next of its scripted answers (the last one again and again)."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def on(self, call: str, body: object, status: int = 200, **headers: str) -> None:
        """Add an answer. Bytes go out as they are, anything else as JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(call, []).append((status, body, named))

    def bodies(self, call: str) -> list[bytes]:
        """Return the bodies of the requests made by `call`."""
        return [body for made, body, _ in self.requests if made == call]

    async def answer(self, request: Request) -> Response:
        call = f"{request.method} {request.url.path}"
        if request.url.query:
            call += f"?{request.url.query}"
        self.requests.append((call, await request.body(), dict(request.headers)))
        scripted = self.answers.get(call)
        if not scripted:
            return JSONResponse({"error": "not_found", "detail": f"no answer for {call}"}, 404)
        status, body, headers = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return Response(content, status, headers)


@pytest.fixture(scope="session")
def serving() -> Iterator[FakeApi]:
    api = FakeApi()
    methods = ["GET", "POST", "PUT", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", api.answer, methods=methods)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    api.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield api
    server.should_exit = True
    thread.join(timeout=5)


@pytest.fixture
def api(serving: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """The server, with nothing scripted yet; the command line is told of it."""
    serving.answers.clear()
    serving.requests.clear()
    monkeypatch.setenv("LABELMILL_URL", serving.url)
    monkeypatch.setenv("LABELMILL_TOKEN", "secret")
    for console in (output.out, output.err):
        monkeypatch.setattr(console, "width", 200)
    return serving


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


Labelmill = Callable[..., Outcome]


@pytest.fixture
def labelmill(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Labelmill:
    """Runs a command in this process, with an empty home folder."""
    for name in ("LABELMILL_URL", "LABELMILL_TOKEN", "LABELMILL_TRAINER_URL", "LABELMILL_TRAINER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABELMILL_HOME", str(tmp_path / "home"))

    def labelmill(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        printed = capfdbinary.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, printed.out.decode(), printed.err.decode())

    return labelmill
