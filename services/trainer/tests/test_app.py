"""The wiring, and the HTTP side without a system behind it."""

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient
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
    assert answer.json()["error"] == "unauthorized"


def test_metrics_and_health_are_open() -> None:
    http = client("secret")
    assert http.get("/health/live").status_code == 200
    assert http.get("/health/ready").status_code == 503
    assert "labelmill_trainings_total" in http.get("/metrics").text
