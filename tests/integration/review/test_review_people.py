"""Roles in single projects, invitations, and the limits of tokens and of requests."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from labelmill_local.system import System
from review_api.accounts.access import role_matrix
from review_api.accounts.roles import SCOPES, scopes_for
from review_api.app import build
from review_api.settings import ReviewSettings

from .conftest import COMMAND
from .support import PASSWORD, PROJECT, Review, close, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Neighbours:
    """Two projects, and people with roles in the first only."""

    review: Review
    other: str
    reviewer: httpx.AsyncClient
    manager: httpx.AsyncClient


@pytest_asyncio.fixture(loop_scope="session")
async def neighbours(review: Review) -> AsyncIterator[Neighbours]:
    other = f"{review.project[:50]}_other"
    await review.admin.put(f"/v1/projects/{other}", content=PROJECT.format(project=other))
    reviewer, manager = [
        await member(review, f"{role}-{review.project[:40]}", role) for role in ("reviewer", "manager")
    ]
    yield Neighbours(review, other, reviewer, manager)
    await close([reviewer, manager])


async def member(review: Review, name: str, *roles: str) -> httpx.AsyncClient:
    """Make an account whose only roles are in the project; return a client with its token."""
    client = await review.account(name)
    body = {"roles": roles}
    (await review.admin.put(f"/v1/projects/{review.project}/members/{name}", json=body)).raise_for_status()
    return client


async def invite(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await client.post(path, json=fields)).raise_for_status().json()
    return made


def filled(path: str, project: str) -> str:
    """Return a route's path with the project in it, and for the rest names and numbers of nothing."""
    path = path.replace("{project}", project).replace("{name}", "somebody").replace("{item_id}", "i1")
    return re.sub(r"\{[^}]+\}", str(2**40), path)


def every_route() -> dict[tuple[str, str], tuple[str, ...] | None]:
    return role_matrix(build(ReviewSettings()).app)  # type: ignore[arg-type]


async def test_members_of_one_project_get_nowhere_in_another(neighbours: Neighbours) -> None:
    """Every route with a project in it, generated from the application."""
    review = neighbours.review
    assert [p["project"] for p in (await neighbours.reviewer.get("/v1/projects")).json()["projects"]] == [
        review.project
    ]
    routes = [key for key in every_route() if "{project}" in key[1]]
    assert len(routes) >= 15
    for method, path in routes:
        url = filled(path, neighbours.other)
        for client in (neighbours.reviewer, neighbours.manager):
            answer = await client.request(method, url)
            assert answer.status_code == 404, f"{method} {path}"
            assert answer.json()["error"] == "unknown_project", f"{method} {path}"
    spec = (await neighbours.manager.get(f"/v1/projects/{review.project}")).json()["spec"]
    assert spec["project"] == review.project
    new = PROJECT.format(project="brand_new")
    assert (await neighbours.manager.put("/v1/projects/brand_new", content=new)).status_code == 404
    for path in ("/v1/accounts", "/v1/audit", "/v1/invitations"):
        assert (await neighbours.manager.get(path)).status_code == 403


async def test_every_route_of_the_own_project_asks_for_its_role(neighbours: Neighbours) -> None:
    clients = {"reviewer": neighbours.reviewer, "manager": neighbours.manager}
    for (method, path), needed in every_route().items():
        if "{project}" not in path or needed is None:
            continue
        url = filled(path, neighbours.review.project)
        for role, client in clients.items():
            status = (await client.request(method, url)).status_code
            allowed = not needed or role in needed
            assert (status != 403) == allowed, f"{role}: {method} {path} gave {status}"


async def test_tasks_of_another_project_do_not_exist(neighbours: Neighbours) -> None:
    review = neighbours.review
    theirs = Review(review.system, review.publisher, review.admin, review.database, neighbours.other)
    for project in (review, theirs):
        await project.make_tasks(1)
    insider = await review.account("insider", "reviewer")
    task = (await theirs.claim(insider))[0]
    lease = {"lease": task["lease"]}
    for action, body in [
        ("heartbeat", lease),
        ("skip", lease),
        ("undo", None),
        ("decision", {**lease, "label": "positive"}),
    ]:
        path = f"/v1/tasks/{task['task_id']}/{action}"
        refused = await neighbours.reviewer.post(path, json=body)
        assert (refused.status_code, refused.json()["error"]) == (404, "unknown_task"), action
        assert (await neighbours.manager.post(path, json=body)).status_code == 403, action
    own = (await review.claim(neighbours.reviewer))[0]
    decided = await neighbours.reviewer.post(
        f"/v1/tasks/{own['task_id']}/decision", json={"lease": own["lease"], "label": "positive"}
    )
    assert decided.raise_for_status().json()["final"]
    await insider.aclose()


async def test_a_manager_gives_roles_but_not_to_himself(neighbours: Neighbours) -> None:
    review, manager = neighbours.review, neighbours.manager
    members = f"/v1/projects/{review.project}/members"
    me = (await manager.get("/v1/me")).json()
    assert (me["roles"], me["memberships"]) == ([], {review.project: ["manager"]})
    own = await manager.put(f"{members}/{me['name']}", json={"roles": ["manager", "reviewer"]})
    assert (own.status_code, own.json()["error"]) == (403, "own_roles")
    assert (await manager.put(f"{members}/x", json={"roles": ["admin"]})).status_code == 422
    assert (await manager.put(f"{members}/nobody-at-all", json={"roles": ["reviewer"]})).status_code == 404
    newcomer = await review.account("newcomer")
    assert (await newcomer.get("/v1/projects")).json()["projects"] == []
    (await manager.put(f"{members}/newcomer", json={"roles": ["reviewer"]})).raise_for_status()
    assert len((await newcomer.get("/v1/projects")).json()["projects"]) == 1
    found = {m["name"]: m for m in (await manager.get(members)).json()["members"]}
    assert found["newcomer"] == {"name": "newcomer", "roles": ["reviewer"], "everywhere": []}
    assert found["admin"]["everywhere"] == ["admin"]
    assert (await manager.delete(f"{members}/newcomer")).status_code == 204
    assert (await manager.delete(f"{members}/newcomer")).status_code == 404
    assert (await newcomer.get("/v1/projects")).json()["projects"] == []
    invitation = await invite(manager, f"/v1/projects/{review.project}/invitations", roles=["reviewer"])
    taken = await manager.post("/v1/me/invitation", json={"token": invitation["token"]})
    assert (taken.status_code, taken.json()["error"]) == (403, "own_roles")
    acts = await review.admin.get("/v1/audit", params={"subject": "newcomer", "project": review.project})
    assert [e["act"] for e in acts.json()["entries"]] == ["membership.removed", "membership.set"]
    await newcomer.aclose()


async def test_an_invitation_serves_once(neighbours: Neighbours) -> None:
    review, path = neighbours.review, f"/v1/projects/{neighbours.review.project}/invitations"
    made = await invite(neighbours.manager, path, roles=["reviewer"], note="for Ines")
    assert made["path"] == f"/invitation#token={made['token']}"
    async with review.client() as ines:
        offer = (await ines.post("/v1/invitation", json={"token": made["token"]})).raise_for_status().json()
        assert (offer["project"], offer["roles"]) == (review.project, ["reviewer"])
        body = {"token": made["token"], "name": "ines", "password": PASSWORD}
        taken = await ines.post("/v1/invitation/accept", json={**body, "name": "admin"})
        assert (taken.status_code, taken.json()["error"]) == (409, "name_taken")
        assert (
            await ines.post("/v1/invitation/accept", json={**body, "password": "short"})
        ).status_code == 422
        me = (await ines.post("/v1/invitation/accept", json=body)).raise_for_status().json()
        assert (me["name"], me["memberships"]) == ("ines", {review.project: ["reviewer"]})
        assert (await ines.get("/v1/me")).json()["name"] == "ines", "signed in"
    async with review.client() as other:
        for again in ({"name": "otto"}, {"name": "ines"}):
            assert (await other.post("/v1/invitation/accept", json={**body, **again})).status_code == 404
    stored = await review.database.fetchval("SELECT string_agg(invitations::text, '') FROM invitations")
    assert made["token"] not in stored
    listed = (await neighbours.manager.get(path)).json()["invitations"]
    assert (listed[0]["used_by"], listed[0]["note"]) == ("ines", "for Ines")


async def test_ten_at_once_get_one_account(review: Review) -> None:
    made = await invite(review.admin, "/v1/invitations", roles=["reviewer"])
    async with review.client() as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/v1/invitation/accept",
                    json={"token": made["token"], "name": f"racer{n}", "password": PASSWORD},
                )
                for n in range(10)
            )
        )
    assert sorted(each.status_code for each in answers) == [200] + [404] * 9
    racers = await review.database.fetch("SELECT roles FROM accounts WHERE name LIKE 'racer%'")
    assert [row["roles"] for row in racers] == [["reviewer"]]


async def test_revoked_expired_and_worthless_invitations(neighbours: Neighbours) -> None:
    review, manager = neighbours.review, neighbours.manager
    path = f"/v1/projects/{review.project}/invitations"
    revoked, expired, worthless = [await invite(manager, path, roles=["reviewer"]) for _ in range(3)]
    elsewhere = f"/v1/projects/{neighbours.other}/invitations/{revoked['invitation_id']}"
    assert (await review.admin.delete(elsewhere)).status_code == 404, "of another project"
    assert (await manager.delete(f"{path}/{revoked['invitation_id']}")).status_code == 204
    assert (await manager.delete(f"{path}/{revoked['invitation_id']}")).status_code == 404
    await review.database.execute(
        "UPDATE invitations SET expires_at = now() WHERE invitation_id = $1", expired["invitation_id"]
    )
    name = (await manager.get("/v1/me")).json()["name"]
    async with review.client() as client:
        offer = await client.post("/v1/invitation", json={"token": worthless["token"]})
        assert offer.status_code == 200, "as long as its maker is a manager"
        await review.admin.delete(f"/v1/projects/{review.project}/members/{name}")
        for made in (revoked, expired, worthless):
            body = {"token": made["token"], "name": "late", "password": PASSWORD}
            assert (await client.post("/v1/invitation", json={"token": made["token"]})).status_code == 404
            refused = await client.post("/v1/invitation/accept", json=body)
            assert (refused.status_code, refused.json()["error"]) == (404, "unknown_invitation")
    assert await review.database.fetchval("SELECT true FROM accounts WHERE name = 'late'") is None


async def test_scopes_of_a_token_against_every_route(review: Review) -> None:
    """An admin's tokens, so that nothing but their scopes stands in the way."""
    clients = {}
    for scope in SCOPES:
        body = {"label": scope, "scopes": [scope]}
        made = (await review.admin.post("/v1/accounts/admin/tokens", json=body)).raise_for_status().json()
        clients[scope] = review.client({"Authorization": f"Bearer {made['token']}"})
    seen = set()
    for (method, path), needed in every_route().items():
        if needed is None:
            continue
        url = filled(path, "absent")
        enough = scopes_for(needed, reads=method == "GET")
        for scope, client in clients.items():
            answer = await client.request(method, url)
            refused = answer.status_code == 403 and answer.json()["error"] == "out_of_scope"
            assert refused == (scope not in enough), f"{scope}: {method} {path} gave {answer.status_code}"
            seen.add((scope, refused))
    assert seen == {(scope, refused) for scope in SCOPES for refused in (True, False)}
    await close(clients.values())


async def test_a_token_never_allows_more_than_its_account_and_ends_in_time(review: Review) -> None:
    narrow = await review.account("narrow", "reviewer")
    body = {"label": "too much", "scopes": ["admin", "manage", "read"], "expires_in_days": 1}
    made = (await review.admin.post("/v1/accounts/narrow/tokens", json=body)).raise_for_status().json()
    async with review.client({"Authorization": f"Bearer {made['token']}"}) as client:
        assert (await client.get("/v1/me")).status_code == 200
        assert (await client.get("/v1/accounts")).status_code == 403
        assert (await client.put(f"/v1/projects/{review.project}", content="")).status_code == 403
        rows = (await review.admin.get("/v1/accounts/narrow/tokens")).json()["tokens"]
        row = next(row for row in rows if row["label"] == "too much")
        assert row["scopes"] == ["admin", "manage", "read"]
        assert 0 < row["expires_at"] / 1000 - time.time() <= 86400
        days = {time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago)) for ago in (0, 60)}
        assert row["last_used"] in days
        await review.database.execute(
            "UPDATE tokens SET expires_at = now() WHERE token_id = $1", made["token_id"]
        )

        async def over() -> bool | None:
            return (await client.get("/v1/me")).status_code == 401 or None

        await until(over)
    assert (await narrow.get("/v1/me")).status_code == 200, "the other token stays"
    await narrow.aclose()


async def test_ones_own_tokens_and_password(review: Review) -> None:
    page = await review.sign_in("owner")
    elsewhere = review.client()
    await elsewhere.post("/v1/login", json={"name": "owner", "password": PASSWORD})
    beyond = await page.post("/v1/me/tokens", json={"label": "x", "scopes": ["manage"]})
    assert (beyond.status_code, beyond.json()["error"]) == (422, "beyond_your_roles")
    made = (await page.post("/v1/me/tokens", json={"label": "phone", "scopes": ["read"]})).json()
    async with review.client({"Authorization": f"Bearer {made['token']}"}) as token:
        assert (await token.get("/v1/me")).json()["name"] == "owner"
        assert (await token.post("/v1/me/tokens", json={"label": "another"})).status_code == 403
    whole = await review.account("owner", "reviewer")
    refused = await whole.post("/v1/me/tokens", json={"label": "another"})
    assert (refused.status_code, refused.json()["error"]) == (403, "sign_in_first")
    tokens = (await page.get("/v1/me/tokens")).json()["tokens"]
    assert (await page.delete(f"/v1/me/tokens/{tokens[0]['token_id']}")).status_code == 204
    assert (await page.delete(f"/v1/me/tokens/{tokens[0]['token_id']}")).status_code == 404

    wrong = await page.post("/v1/me/password", json={"old": "not it", "new": "a much better one"})
    assert (wrong.status_code, wrong.json()["error"]) == (403, "wrong_password")
    before = page.cookies["labelmill_session"]
    changed = await page.post("/v1/me/password", json={"old": PASSWORD, "new": "a much better one"})
    page.headers["X-CSRF-Token"] = changed.raise_for_status().json()["csrf_token"]
    assert page.cookies["labelmill_session"] != before
    assert (await page.get("/v1/me")).status_code == 200
    assert (await elsewhere.get("/v1/me")).status_code == 401
    await elsewhere.post("/v1/login", json={"name": "owner", "password": "a much better one"})
    assert (await elsewhere.get("/v1/me")).status_code == 200
    assert (await page.delete("/v1/me/sessions")).status_code == 204
    assert (await elsewhere.get("/v1/me")).status_code == 401
    await close([page, elsewhere, whole])


async def test_a_session_ends_when_another_begins_and_when_nobody_uses_it(review: Review) -> None:
    page = await review.sign_in("idler")
    planted = page.cookies["labelmill_session"]
    await page.post("/v1/login", json={"name": "idler", "password": PASSWORD})
    async with review.client({"Cookie": f"labelmill_session={planted}"}) as other:
        assert (await other.get("/v1/me")).status_code == 401, "no session outlives a sign-in"
    assert (await page.get("/v1/me")).status_code == 200
    await review.database.execute(
        "UPDATE sessions SET seen_at = now() - interval '2 minutes' WHERE account = 'idler'"
    )

    async def seen() -> bool | None:
        await page.get("/v1/me")
        sql = "SELECT seen_at > now() - interval '1 minute' FROM sessions WHERE account = 'idler'"
        return await review.database.fetchval(sql) or None

    await until(seen)
    await review.database.execute(
        "UPDATE sessions SET seen_at = now() - interval '5 hours' WHERE account = 'idler'"
    )

    async def over() -> bool | None:
        return (await page.get("/v1/me")).status_code == 401 or None

    await until(over)
    await page.aclose()


async def test_who_asks_too_fast_has_to_wait(review: Review, system: System) -> None:
    env = {"ACCOUNT_REQUESTS_PER_S": "1", "ACCOUNT_REQUESTS_BURST": "5", "ADDRESS_REQUESTS_PER_S": "0.01"}
    env |= {"ADDRESS_REQUESTS_BURST": "4"}
    hasty, calm = await review.account("hasty", "reviewer"), await review.account("calm", "reviewer")
    async with system.running("review-api", argv=[*COMMAND, "http"], env=env) as api:
        answers = [await hasty.get(f"{api.url}/v1/me") for _ in range(20)]
        codes = [answer.status_code for answer in answers]
        assert codes[:5] == [200] * 5
        assert codes.count(429) >= 5
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert (refused.json()["error"], refused.headers["Retry-After"]) == ("too_many_requests", "1")
        assert (await calm.get(f"{api.url}/v1/me")).status_code == 200, "each has their own"
        async with review.client(url=api.url) as nobody:
            paths = ["/dashboard", "/v1/me", "/v1/oidc", "/static/x/base.css"]
            assert [(await nobody.get(path)).status_code for path in paths] == [200, 401, 200, 200]
            for path in paths:
                again = await nobody.get(path)
                assert again.status_code == 429, path
                assert again.headers["X-Content-Type-Options"] == "nosniff"
            for path in ("/health/live", "/metrics"):
                assert (await nobody.get(path)).status_code == 200
        assert (await calm.get(f"{api.url}/v1/me")).status_code == 200, "who is known is not an address"
        assert await api.metric("labelmill_throttled_total", by="address") >= 4
        assert await api.metric("labelmill_throttled_total", by="account") >= 5
    await close([hasty, calm])
