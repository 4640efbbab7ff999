"""labelmill's own stack: the four services, each with its own role, and what must be prepared for them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from aiokafka.errors import KafkaError
from labelmill.bootstrap import SCHEMAS, create_roles, create_topics
from labelmill.runtime.settings import KafkaSettings

from labelmill_local.errors import StackError
from labelmill_local.ports import HOST
from labelmill_local.postgres import DATABASE
from labelmill_local.progress import Progress
from labelmill_local.settings import StackSettings
from labelmill_local.stack import ServiceSpec, Stack
from labelmill_local.state import keep_secrets

ADMIN_NAME = "admin"
_SECRETS = [*SCHEMAS.values(), "admin_token", "admin_password", "trainer_token", "split_key"]


@dataclass(frozen=True)
class Access:
    """How a person and the command line reach a running stack."""

    url: str
    trainer_url: str
    kafka_bootstrap_servers: str
    admin_name: str
    admin_password: str
    admin_token: str
    trainer_token: str


@dataclass(frozen=True)
class Standard:
    """A stack and the way in."""

    stack: Stack
    access: Access


def standard_stack(settings: StackSettings, progress: Progress | None = None) -> Standard:
    """The system that `labelmill up` runs: only the folder and its secrets are made yet."""
    settings = settings.with_free_ports()
    settings.home.mkdir(parents=True, exist_ok=True)
    secrets = keep_secrets(settings.home, _SECRETS)
    kafka = KafkaSettings(kafka_bootstrap_servers=_broker(settings))
    if not settings.kafka_bootstrap_servers:
        kafka = kafka.model_copy(update={"kafka_security_protocol": "PLAINTEXT"})

    async def prepare(admin_url: str) -> None:
        await _prepare(kafka, admin_url, {schema: secrets[schema] for schema in SCHEMAS.values()})

    services = service_specs(settings, secrets)
    access = Access(
        url=f"http://{HOST}:{settings.review_api_port}",
        trainer_url=f"http://{HOST}:{settings.trainer_port}",
        kafka_bootstrap_servers=kafka.kafka_bootstrap_servers,
        admin_name=ADMIN_NAME,
        admin_password=secrets["admin_password"],
        admin_token=secrets["admin_token"],
        trainer_token=secrets["trainer_token"],
    )
    return Standard(Stack(settings, prepare, services, progress or Progress()), access)


def service_specs(settings: StackSettings, secrets: dict[str, str]) -> list[ServiceSpec]:
    """The four services with the settings that connect them, each told only what it needs."""
    admin = {"ADMIN_NAME": ADMIN_NAME, "ADMIN_PASSWORD": secrets["admin_password"]}
    admin["ADMIN_TOKEN"] = secrets["admin_token"]
    trainer = {"TRAINER_TOKEN": secrets["trainer_token"], "SPLIT_KEY": secrets["split_key"]}
    llm = {} if settings.openai_base_url else {"OPENAI_BASE_URL": f"http://{HOST}:{settings.llm_port}/v1"}
    return [
        _spec(settings, secrets, "review-api", settings.review_api_port, admin | _NO_KEY),
        _spec(settings, secrets, "autolabeler", settings.autolabeler_port, llm),
        _spec(settings, secrets, "router", settings.router_port, _NO_KEY),
        _spec(settings, secrets, "trainer", settings.trainer_port, trainer),
    ]


_NO_KEY = {"OPENAI_API_KEY": ""}


def _spec(
    settings: StackSettings, secrets: dict[str, str], service: str, port: int, env: dict[str, str]
) -> ServiceSpec:
    schema = SCHEMAS.get(service)
    common = {
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
        "KAFKA_BOOTSTRAP_SERVERS": _broker(settings),
        # The administrator's URL may stand in our own environment: it is not for the services.
        "DATABASE_URL": database_url(settings, schema, secrets[schema]) if schema else "",
    }
    if not settings.kafka_bootstrap_servers:
        common["KAFKA_SECURITY_PROTOCOL"] = "PLAINTEXT"
    argv = [sys.executable, "-m", service.replace("-", "_")]
    return ServiceSpec(service, argv, common | env, port, f"http://{HOST}:{port}/health/ready")


def _broker(settings: StackSettings) -> str:
    return settings.kafka_bootstrap_servers or f"{HOST}:{settings.kafka_port}"


def database_url(settings: StackSettings, role: str, password: str) -> str:
    """The database under a service's own role, whether it is the local one or the user's."""
    own = (
        settings.database_url.get_secret_value() or f"postgresql://{HOST}:{settings.postgres_port}/{DATABASE}"
    )
    url = urlsplit(own)
    place = url.netloc.rpartition("@")[2]
    return urlunsplit(url._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{place}"))


async def _prepare(kafka: KafkaSettings, admin_url: str, passwords: dict[str, str]) -> None:
    try:
        await create_topics(kafka)
    except KafkaError as error:
        raise StackError(
            f"cannot prepare Kafka at {kafka.kafka_bootstrap_servers} ({type(error).__name__}): "
            "check KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_* settings"
        ) from error
    try:
        await create_roles(admin_url, passwords)
    except (TimeoutError, OSError, asyncpg.PostgresError) as error:
        raise StackError(
            f"cannot prepare PostgreSQL ({error}): "
            "DATABASE_URL must name a role that may create roles and schemas"
        ) from error


def log_folder(settings: StackSettings) -> Path:
    """Where the services' and the LLM's output goes, one file each."""
    return settings.home / "logs"
