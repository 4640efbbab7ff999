"""The wiring, and the HTTP side without a system behind it."""

from types import SimpleNamespace

import asyncpg
import pytest
from labelmill.runtime.http import operations_app
from labelmill.runtime.service import Context
from pydantic import SecretStr, ValidationError
from starlette.testclient import TestClient
from trainer.api import Api
from trainer.app import build
from trainer.settings import TrainerSettings


def client(token: str) -> TestClient:
    return TestClient(build(TrainerSettings(trainer_token=SecretStr(token))).app)


@pytest.mark.parametrize(
    ("token", "header"),
    [("", "Bearer "), ("", ""), ("secret", ""), ("secret", "Bearer wrong"), ("secret", "Basic secret")],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "train"), ("GET", "releases"), ("POST", "rollback")])
def test_without_the_token_nothing_is_told(token: str, header: str, method: str, path: str) -> None:
    answer = client(token).request(method, f"/v1/projects/p/{path}", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"] == "unauthenticated"


def test_metrics_and_health_are_open() -> None:
    http = client("secret")
    assert http.get("/health/live").status_code == 200
    assert http.get("/health/ready").status_code == 503
    assert "labelmill_trainings_total" in http.get("/metrics").text


class Away:
    """The store while its database is away, or worse."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def releases(self, _: str) -> None:
        raise self._error


def client_of(error: Exception) -> TestClient:
    settings = TrainerSettings(trainer_token=SecretStr("secret"))
    projects = {"p": SimpleNamespace(project="p")}
    api = Api(
        store=Away(error),  # type: ignore[arg-type]
        projects=projects,  # type: ignore[arg-type]
        trainings=None,  # type: ignore[arg-type]
        relay=None,  # type: ignore[arg-type]
        qualities=None,  # type: ignore[arg-type]
        settings=settings,
    )
    app = operations_app(Context.create("trainer", settings), api.routes())
    return TestClient(app, headers={"Authorization": "Bearer secret"})


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.InterfaceError("gone"),
    ],
)
def test_an_outage_is_said_and_how_long_to_wait(error: Exception) -> None:
    answer = client_of(error).get("/v1/projects/p/releases")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["error"] == "unavailable"


def test_what_is_no_outage_stays_an_error() -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        client_of(asyncpg.UndefinedTableError("no such table")).get("/v1/projects/p/releases")


def test_trainings_leave_a_connection_to_the_others() -> None:
    assert TrainerSettings(trainings_at_once=7, database_pool_size=8).trainings_at_once == 7
    with pytest.raises(ValidationError, match="must be less than DATABASE_POOL_SIZE"):
        TrainerSettings(trainings_at_once=8, database_pool_size=8)
