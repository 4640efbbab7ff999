"""docker-compose.yml against the Compose Specification, and against the code it starts."""

import importlib
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest
import typer
from docs_asyncapi import settings_of
from docs_source import SERVICES
from labelmill.bootstrap import SCHEMAS
from labelmill.runtime.service import Service
from labelmill.runtime.settings import KafkaSettings, ServiceSettings
from labelmill_cli import connection
from labelmill_cli.app import build as command_line
from labelmill_cli.commands.bootstrap import BootstrapSettings

Compose = dict[str, Any]

ONE_SHOT = {"bootstrap", "cli"}
OWN = {*SERVICES, *ONE_SHOT}
PARTS = {*OWN, "kafka", "postgres", "prometheus", "grafana"}
HTTP_PORT = "8080"

POSTGRES_IMAGE_VARIABLES = {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"}
CLIENT_VARIABLES = set(re.findall(r'"(LABELMILL_\w+)"', Path(connection.__file__).read_text()))


def seconds(text: str) -> float:
    """Return a Compose duration in whole seconds or minutes."""
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "m": 60}[unit]


def environment(compose: Compose, part: str) -> dict[str, str]:
    return {name: str(value) for name, value in (compose["services"][part].get("environment") or {}).items()}


def build(compose: Compose, service: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Return the service as its container would wire it."""
    for name in list(os.environ):
        if name.startswith(("KAFKA_", "DATABASE_", "HTTP_", "LOG_", "OTEL_", "ADMIN_", "TRAINER_")):
            monkeypatch.delenv(name)
    for name, value in environment(compose, service).items():
        monkeypatch.setenv(name, value)
    built: Service = importlib.import_module(f"{SERVICES[service]}.app").build(settings_of(service)())
    return built


def test_it_follows_the_compose_specification(compose: Compose, schemas: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schemas["compose-spec"]).validate(compose)


def test_it_has_every_part_of_the_system(compose: Compose) -> None:
    assert set(compose["services"]) == PARTS


def test_secrets_have_no_defaults(variables: list[Any]) -> None:
    for variable in variables:
        if re.search("(_PASSWORD|_TOKEN|_KEY)$", variable.name):
            assert variable.operator == "?", f"{variable.name} must be ${{{variable.name}:?…}}"


def test_no_secret_stands_in_the_file(raw_compose: str) -> None:
    for line in raw_compose.splitlines():
        if re.match(r"\s+\w*(PASSWORD|TOKEN|API_KEY)\w*:", line):
            assert "${" in line, line


def test_the_example_names_every_variable_and_no_other(variables: list[Any], root: Path) -> None:
    named = set(re.findall(r"^#?([A-Z_]+)=", (root / ".env.example").read_text(), re.MULTILINE))
    assert named == {variable.name for variable in variables}


def test_defaults_in_the_example_are_those_of_the_file(variables: list[Any], root: Path) -> None:
    example = dict(re.findall(r"^#([A-Z_]+)=(.*)$", (root / ".env.example").read_text(), re.MULTILINE))
    assert example == {v.name: v.text for v in variables if v.operator == "-" and v.name in example}


def test_new_env_fills_every_secret_and_keeps_an_old_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "deploy/compose").mkdir(parents=True)
    for name in (".env.example", "deploy/compose/new-env.sh"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    command = ["bash", "deploy/compose/new-env.sh"]
    environ = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "mine"}
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True)
    written = tmp_path / ".env"
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", written.read_text(), re.MULTILINE))
    secrets = [value for name, value in values.items() if re.search("PASSWORD|_TOKEN", name)]
    assert all(re.fullmatch("[0-9a-f]{48}", secret) for secret in secrets)
    assert len(set(secrets)) == len(secrets)
    assert values["OPENAI_API_KEY"] == "mine"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    before = written.read_text()
    again = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True)
    assert again.returncode == 1
    assert written.read_text() == before


def test_the_env_file_is_never_committed(root: Path) -> None:
    assert ".env" in (root / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_container_has_no_more_rights_than_it_needs(compose: Compose, part: str) -> None:
    spec = compose["services"][part]
    assert spec["read_only"] is True
    assert spec["cap_drop"] == ["ALL"]
    assert spec["security_opt"] == ["no-new-privileges:true"]
    assert spec["pids_limit"] > 0
    assert spec["mem_limit"]
    assert spec["restart"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(spec)
    assert not any("docker.sock" in volume for volume in spec.get("volumes", []))
    assert part in OWN or spec["user"].split(":")[0] not in ("root", "0")


@pytest.mark.parametrize("part", sorted(PARTS))
def test_ports_are_published_on_the_loopback_interface_only(compose: Compose, part: str) -> None:
    for port in compose["services"][part].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port


@pytest.mark.parametrize("part", sorted(PARTS - ONE_SHOT))
def test_what_runs_on_has_a_health_check(compose: Compose, part: str) -> None:
    check = compose["services"][part]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert seconds(check["timeout"]) <= seconds(check["interval"])


def test_waits_name_parts_that_can_satisfy_them(compose: Compose) -> None:
    for spec in compose["services"].values():
        for name, wait in spec.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][name]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert name in ONE_SHOT


def test_networks_and_volumes_are_declared_and_used(compose: Compose) -> None:
    specs = compose["services"].values()
    assert {network for spec in specs for network in spec["networks"]} == set(compose["networks"])
    named = {volume.split(":")[0] for spec in specs for volume in spec.get("volumes", [])}
    assert {name for name in named if not name.startswith(".")} == set(compose["volumes"])


def test_mounted_files_exist_and_are_read_only(compose: Compose, root: Path) -> None:
    mounts = [v for spec in compose["services"].values() for v in spec.get("volumes", []) if v[0] == "."]
    assert mounts
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (root / source).exists(), source
        assert mode == "ro"


def test_kafka_and_postgres_are_shut_off_from_outside(compose: Compose) -> None:
    assert compose["networks"]["data"]["internal"]
    for part in ("kafka", "postgres"):
        assert compose["services"][part]["networks"] == ["data"]
        assert "ports" not in compose["services"][part]


@pytest.mark.parametrize("part", sorted(OWN))
def test_images_are_built_from_files_that_exist(compose: Compose, root: Path, part: str) -> None:
    spec = compose["services"][part]["build"]
    assert spec["context"] == "."
    assert (root / spec["dockerfile"]).is_file()
    expected = "cli" if part in ONE_SHOT else f"services/{part}"
    assert spec["dockerfile"] == f"{expected}/Dockerfile"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_is_given_only_variables_that_it_reads(compose: Compose, service: str) -> None:
    known = {name.upper() for name in settings_of(service).model_fields}
    assert set(environment(compose, service)) <= known


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_accepts_what_it_is_given(
    compose: Compose, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(compose, service)
    settings = build(compose, service, monkeypatch).context.settings
    for name, value in given.items():
        field: Any = getattr(settings, name.lower())
        plain = field.get_secret_value() if hasattr(field, "get_secret_value") else field
        assert str(plain).lower() == value.lower(), name


def test_the_command_line_is_given_only_variables_that_it_reads(compose: Compose) -> None:
    kafka = {name.upper() for name in ServiceSettings.model_fields}
    bootstrap = {name.upper() for name in BootstrapSettings.model_fields}
    assert set(environment(compose, "bootstrap")) <= kafka | bootstrap
    assert bootstrap <= set(environment(compose, "bootstrap"))
    assert set(environment(compose, "cli")) <= kafka | CLIENT_VARIABLES


def test_bootstrap_is_a_command(compose: Compose) -> None:
    commands = typer.main.get_command(command_line()).commands  # type: ignore[attr-defined]
    assert compose["services"]["bootstrap"]["command"][0] in commands


@pytest.mark.parametrize("service", sorted(SERVICES))
async def test_the_checked_pages_are_served(
    compose: Compose, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(compose, service, monkeypatch)
    test = " ".join(compose["services"][service]["healthcheck"]["test"])
    url = urlsplit(re.search(r"http://[^']+", test)[0])  # type: ignore[index]
    assert str(url.port) == HTTP_PORT
    transport = httpx.ASGITransport(app=built.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.get(url.path)).status_code == 503
        built.context.health.ready = True
        assert (await client.get(url.path)).status_code == 200
        assert (await client.get("/metrics")).status_code == 200


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_ends_before_it_is_killed(compose: Compose, service: str) -> None:
    grace = seconds(compose["services"][service]["stop_grace_period"])
    assert grace > ServiceSettings.model_fields["shutdown_seconds"].default


@pytest.mark.parametrize("service", sorted(SCHEMAS))
def test_a_service_has_its_own_database_role(compose: Compose, service: str) -> None:
    url = urlsplit(environment(compose, service)["DATABASE_URL"])
    admin = urlsplit(environment(compose, "bootstrap")["DATABASE_ADMIN_URL"])
    postgres = environment(compose, "postgres")
    assert url.username == SCHEMAS[service]
    given = f"{SCHEMAS[service].upper()}_DATABASE_PASSWORD"
    assert url.password == environment(compose, "bootstrap")[given]
    assert admin.username == postgres["POSTGRES_USER"]
    assert admin.password == postgres["POSTGRES_PASSWORD"]
    assert {url.path, admin.path} == {f"/{postgres['POSTGRES_DB']}"}
    assert {url.hostname, admin.hostname} == {"postgres"}
    assert {url.port, admin.port} == {5432}


def test_only_bootstrap_knows_the_database_administrator(compose: Compose) -> None:
    secret = environment(compose, "postgres")["POSTGRES_PASSWORD"]
    holders = {
        part for part in PARTS if any(secret in value for value in environment(compose, part).values())
    }
    assert holders == {"postgres", "bootstrap"}


def test_clients_and_kafka_agree_on_its_address(compose: Compose) -> None:
    advertised = environment(compose, "kafka")["KAFKA_ADVERTISED_LISTENERS"]
    for part in OWN:
        address = environment(compose, part)["KAFKA_BOOTSTRAP_SERVERS"]
        assert advertised == f"PLAINTEXT://{address}"
    assert {name.upper() for name in KafkaSettings.model_fields} >= {"KAFKA_BOOTSTRAP_SERVERS"}


def test_postgres_variables_are_those_of_its_image(compose: Compose) -> None:
    assert set(environment(compose, "postgres")) <= POSTGRES_IMAGE_VARIABLES


def test_addresses_inside_reach_a_part_on_a_shared_network(compose: Compose) -> None:
    services = compose["services"]
    for part, spec in services.items():
        for name, value in environment(compose, part).items():
            for host in set(re.findall(r"(?:@|//)([a-z-]+):\d+", value)) - {"localhost"}:
                assert host in services, f"{part}: {name} names {host}"
                shared = set(spec["networks"]) & set(services[host]["networks"])
                assert shared, f"{part} cannot reach {host}"


@pytest.mark.parametrize("part", ["review-api", "prometheus", "grafana"])
def test_what_is_published_is_on_a_network_with_a_way_in(compose: Compose, part: str) -> None:
    networks = compose["services"][part]["networks"]
    assert any(not (compose["networks"][name] or {}).get("internal") for name in networks)
