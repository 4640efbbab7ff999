"""The tests' own system: whatever happens in between, it stops what it started and nothing else."""

import sys
from pathlib import Path

import pytest
from labelmill_local import system as system_module
from labelmill_local.backends import Backends
from labelmill_local.ports import accepts
from labelmill_local.postgres import Postgres
from labelmill_local.system import Running, System

ADMIN_URL = "postgresql://a:b@127.0.0.1:1/labelmill"
SERVICE = (
    "import http.server, os\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.end_headers()\n"
    '        self.wfile.write(b\'# HELP x\\nx{a="1",b="2"} 3\\nx{a="2",b="2"} 4\\nxy 5\\n\')\n'
    "    def log_message(self, *a): pass\n"
    "http.server.HTTPServer(('127.0.0.1', int(os.environ['HTTP_PORT'])), H).serve_forever()"
)
ARGV = [sys.executable, "-c", SERVICE]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the backends were told, which are never started."""
    told: list[str] = []

    async def start(_: Backends) -> None:
        told.append("start")

    async def stop(_: Backends) -> None:
        told.append("stop")

    async def prepared(*_: object) -> None:
        told.append("prepare")

    monkeypatch.setattr(Backends, "start", start)
    monkeypatch.setattr(Backends, "stop", stop)
    monkeypatch.setattr(system_module.bootstrap, "create_topics", prepared)
    monkeypatch.setattr(system_module.bootstrap, "create_roles", prepared)
    monkeypatch.setattr(Postgres, "admin_dsn", ADMIN_URL)
    return told


async def test_what_was_started_is_stopped_when_the_preparation_fails(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(system_module.bootstrap, "create_topics", fail)
    with pytest.raises(ConnectionError, match="no broker"):
        async with System(tmp_path):
            pass
    assert told == ["start", "stop"]


async def test_shared_backends_are_left_alone(tmp_path: Path, told: list[str]) -> None:
    backends = Backends(tmp_path)
    async with System(tmp_path, shared=backends) as system:
        assert system.backends is backends
    assert told == ["prepare", "prepare"]


async def test_a_service_is_stopped_at_the_end_of_its_block_and_all_at_the_end(
    tmp_path: Path, told: list[str]
) -> None:
    seen: list[Running] = []

    async def break_down(system: System) -> None:
        async with system.running("router", argv=ARGV):
            seen.extend(system.services)
            raise ZeroDivisionError

    async with System(tmp_path) as system:
        lasting = await system.add("router", argv=ARGV)
        with pytest.raises(ZeroDivisionError):
            await break_down(system)
        _, passing = seen
        assert system.services == [lasting]
        assert not passing.process.running
        async with system.running("router", argv=ARGV) as another:
            logs = {each.process.command.log_file for each in (lasting, passing, another)}
            assert len(logs) == 3, "what one process said is not mistaken for what another said"
        assert lasting.process.running
    assert not lasting.process.running
    assert not await accepts(int(lasting.url.rsplit(":", 1)[1]))
    assert told[-1] == "stop"


async def test_metrics_are_summed_over_the_labels_asked_for(tmp_path: Path, told: list[str]) -> None:
    async with System(tmp_path) as system:
        running: Running = await system.add("router", argv=ARGV)
        assert await running.metric("x") == 7
        assert await running.metric("x", a="2", b="2") == 4
        assert await running.samples("x", b="2") == [3, 4]
        assert await running.metric("missing") == 0
        await running.process.stop()
        assert await running.samples("x") == []
