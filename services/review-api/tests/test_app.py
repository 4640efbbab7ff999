"""The application as a whole, without its database: roles, routes and their documents."""

import re

import pytest
from fastapi import FastAPI
from review_api.accounts.access import api_routes, role_matrix
from review_api.app import ROLES, build
from review_api.http import route_of
from review_api.settings import ReviewSettings
from review_api.web.assets import Assets
from review_api.web.pages import PAGES


def app_of(*roles: str) -> object:
    return build(ReviewSettings(), roles or ROLES).app  # type: ignore[arg-type]


def test_building_does_no_io_and_http_has_the_api() -> None:
    assert isinstance(app_of(), FastAPI)
    assert isinstance(app_of("http"), FastAPI)
    assert not isinstance(app_of("ledger", "relay"), FastAPI)


def test_each_role_has_its_components() -> None:
    names = {
        role: {type(component).__name__ for component in build(ReviewSettings(), [role]).components}
        for role in ROLES
    }
    assert names["ledger"] - names["http"] == {
        "ReleaseLog",
        "NewsLog",
        "Rereviewing",
        "Reordering",
        "Follower",
        "Subscription",
        "KafkaBroker",
        "Ledger",
    }
    assert names["relay"] - names["http"] == {"Relay", "Campaigning"}
    last = [type(component).__name__ for component in build(ReviewSettings()).components[-2:]]
    assert last == ["KafkaBroker", "Ledger"], "the ledger finishes what it has while it can still commit"


def test_every_route_of_the_api_asks_for_an_account_but_those_of_coming_in() -> None:
    matrix = role_matrix(app_of())  # type: ignore[arg-type]
    unguarded = {path for (_, path), roles in matrix.items() if roles is None and path.startswith("/v1/")}
    assert unguarded == {
        *("/v1/login", "/v1/invitation", "/v1/invitation/accept"),
        *("/v1/oidc", "/v1/oidc/start", "/v1/oidc/callback"),
    }
    assert matrix["PUT", "/v1/projects/{project}"] == ("manager",)
    assert matrix["POST", "/v1/projects/{project}/items"] == ("manager", "service")
    assert matrix["POST", "/v1/tasks/{task_id}/decision"] == ("reviewer",)
    assert matrix["POST", "/v1/accounts"] == ("admin",)
    assert matrix["GET", "/v1/projects"] == ()


def test_every_route_is_documented() -> None:
    app = app_of()
    assert isinstance(app, FastAPI)
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["tags"], f"{method} {path}"
    ingest = document["paths"]["/v1/projects/{project}/items"]["post"]
    assert "application/x-ndjson" in ingest["requestBody"]["content"]
    put = document["paths"]["/v1/projects/{project}"]["put"]
    assert "application/yaml" in put["requestBody"]["content"]
    assert "429" in ingest["responses"]


def test_all_pages_share_a_head_and_name_their_files_by_version() -> None:
    assets = Assets.load()
    assert set(assets.pages) == {page.path for page in PAGES}
    for page in PAGES:
        text = assets.pages[page.path].content.decode()
        assert f"<title>{page.title} · labelmill</title>" in text
        named = re.findall(r'"/static/([^/]+)/([^"]+)"', text)
        assert {version for version, _ in named} == {assets.version}
        assert {path for _, path in named} <= set(assets.static)
        assert (assets.version, f"{page.name}.js") in named


@pytest.mark.parametrize("route", ["/v1/me", "/v1/tasks/{task_id}/decision"])
def test_metrics_know_requests_by_their_template(route: str) -> None:
    app = app_of()
    assert isinstance(app, FastAPI)
    found = next(each for each in api_routes(app.routes) if each.path == route)
    assert route_of({"route": found}) == route
    assert route_of({"path": "/elsewhere"}) == "unmatched"
