"""The operator's stack: order, user's own parts, failures that leave nothing behind, and resuming."""

import io
import sys
from pathlib import Path

import asyncpg
import pytest
from labelmill_local.errors import StackError
from labelmill_local.kafka import Kafka
from labelmill_local.ports import HOST, accepts, free_port
from labelmill_local.postgres import Postgres
from labelmill_local.progress import Progress
from labelmill_local.settings import PORTS, StackSettings
from labelmill_local.stack import ServiceSpec, Stack
from labelmill_local.standard import database_url, service_specs, standard_stack
from rich.console import Console

QUIET = Progress(quiet=True)


async def nothing(_: str) -> None: ...


def own_parts(
    home: Path, kafka: str = "127.0.0.1:1", database: str = "postgresql://a:b@h/d"
) -> StackSettings:
    return StackSettings(
        home=home, kafka_bootstrap_servers=kafka, database_url=database, openai_base_url="http://h/v1"
    )


def web_service(port: int, page: str = "ok") -> ServiceSpec:
    source = (
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "    def log_message(self, *a): pass\n"
        f"http.server.HTTPServer(('{HOST}', {port}), H).serve_forever()"
    )
    url = f"http://{HOST}:{port}/{page}"
    return ServiceSpec("web", [sys.executable, "-c", source], {}, port, url)


async def test_services_start_after_the_preparation_and_stop_at_the_end(tmp_path: Path) -> None:
    port, prepared = free_port(), []

    async def prepare(admin_url: str) -> None:
        assert not await accepts(port)
        prepared.append(admin_url)

    async with Stack(own_parts(tmp_path), prepare, [web_service(port)], QUIET) as stack:
        assert prepared == ["postgresql://a:b@h/d"]
        assert await accepts(port)
        assert stack.children["web"].running
        assert stack.kafka is stack.postgres is stack.llm is None
    assert not await accepts(port)


async def test_a_second_stack_on_the_folder_is_refused(tmp_path: Path) -> None:
    async with Stack(own_parts(tmp_path), nothing, [], QUIET):
        with pytest.raises(StackError, match="already runs on"):
            await Stack(own_parts(tmp_path), nothing, [], QUIET).start()


async def test_a_failing_service_stops_those_that_were_started(tmp_path: Path) -> None:
    port = free_port()
    broken = ServiceSpec(
        "broken", [sys.executable, "-c", "raise SystemExit('no')"], {}, 0, "http://127.0.0.1:9"
    )
    with pytest.raises(StackError, match="broken ended at once"):
        async with Stack(own_parts(tmp_path), nothing, [web_service(port), broken], QUIET):
            pass
    assert not await accepts(port)
    async with Stack(own_parts(tmp_path), nothing, [], QUIET):
        pass


async def test_progress_tells_each_part_and_where_it_is(tmp_path: Path) -> None:
    shown, port = io.StringIO(), free_port()
    progress = Progress(Console(file=shown, width=60))
    async with Stack(own_parts(tmp_path), nothing, [web_service(port)], progress):
        pass
    lines = shown.getvalue().splitlines()
    assert any(line.startswith("· broker") and "yours" in line for line in lines)
    assert any(line.startswith("✓ web") and line.endswith(f"s on 127.0.0.1:{port}") for line in lines)
    assert "the next start resumes" in lines[-1]


def test_each_service_gets_its_own_role_and_no_more(tmp_path: Path) -> None:
    settings = own_parts(tmp_path, database="postgresql://boss:secret@db.example:5433/mill?sslmode=require")
    secrets = dict.fromkeys(["autolabeler", "review", "trainer"], "pw") | {
        "admin_token": "at",
        "admin_password": "ap",
        "trainer_token": "tt",
        "split_key": "sk",
    }
    specs = {spec.name: spec for spec in service_specs(settings, secrets)}
    assert list(specs) == ["review-api", "autolabeler", "router", "trainer"]
    assert (
        specs["review-api"].env["DATABASE_URL"]
        == "postgresql://review:pw@db.example:5433/mill?sslmode=require"
    )
    assert specs["router"].env["DATABASE_URL"] == ""
    assert "ADMIN_TOKEN" not in specs["trainer"].env
    assert not any("boss" in value for spec in specs.values() for value in spec.env.values())


def test_database_url_of_the_local_server() -> None:
    settings = StackSettings(postgres_port=15432, database_url="")
    assert database_url(settings, "review", "p/w") == "postgresql://review:p%2Fw@127.0.0.1:15432/labelmill"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABELMILL_HOME", str(tmp_path))
    monkeypatch.setenv("LABELMILL_KAFKA_PORT", "0")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = StackSettings().with_free_ports()
    assert settings.home == tmp_path
    assert settings.kafka_port != 0
    assert settings.postgres_port == 15432


@pytest.mark.slow
async def test_the_users_own_broker_and_database_are_left_running(
    kafka: Kafka, postgres: Postgres, tmp_path: Path
) -> None:
    dsn = await postgres.create_database("own")
    settings = own_parts(tmp_path, kafka.bootstrap_servers, dsn).model_copy(update=dict.fromkeys(PORTS, 0))
    standard = standard_stack(settings, QUIET)
    standard.stack.services = []
    async with standard.stack:
        pass
    assert await execute(dsn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'review'") == 1
    assert await kafka.answers()


async def execute(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()
