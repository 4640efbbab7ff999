"""Accounts: signing in, tokens, and every role against every route."""

import re
from itertools import product

import httpx
import pytest
from labelmill_local.system import System
from review_api.accounts.access import role_matrix
from review_api.accounts.roles import ROLES, allows
from review_api.app import build
from review_api.settings import ReviewSettings

from .support import PASSWORD, PROJECT, Review

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_role_against_every_route(review: Review) -> None:
    matrix = role_matrix(build(ReviewSettings()).app)  # type: ignore[arg-type]
    guarded = {key: roles for key, roles in matrix.items() if roles is not None}
    open_to_all = {path for (_, path), roles in matrix.items() if roles is None and path.startswith("/v1/")}
    assert open_to_all == {
        *("/v1/login", "/v1/invitation", "/v1/invitation/accept"),
        *("/v1/oidc", "/v1/oidc/start", "/v1/oidc/callback"),
    }
    assert len(guarded) >= 20
    clients = {role: await review.account(f"matrix-{role}", role) for role in ROLES}
    nobody = review.client()
    for ((method, path), needed), (role, client) in product(guarded.items(), clients.items()):
        url = re.sub(r"\{\w*(id|number|version)\}", "1", path)
        url = re.sub(r"\{[^}]+\}", "absent", url)
        if (method, path) == ("POST", "/v1/logout"):
            continue
        answer = await client.request(method, url)
        status, allowed = answer.status_code, allows([role], needed)
        forbidden = status == 403 and answer.json()["error"] == "forbidden"
        assert forbidden != allowed, f"{role}: {method} {path} gave {status}"
        assert status not in {401, 500}, f"{role}: {method} {path}"
        assert (await nobody.request(method, url)).status_code == 401, f"{method} {path}"
    for client in [*clients.values(), nobody]:
        await client.aclose()


async def test_signing_in_and_out(review: Review) -> None:
    page = await review.sign_in("jan")
    cookie = next(iter(page.cookies.jar))
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    me = (await page.get("/v1/me")).json()
    assert (me["name"], me["roles"], me["decisions_today"]) == ("jan", ["reviewer"], 0)
    assert me["csrf_token"] == page.headers["X-CSRF-Token"]
    path = f"/v1/projects/{review.project}/tasks/claim"
    assert (await page.post(path)).status_code == 200
    for wrong in ({}, {"X-CSRF-Token": "0" * 64}):
        async with review.client(wrong) as other:
            other.cookies = page.cookies
            refused = await other.post(path)
            assert (refused.status_code, refused.json()["error"]) == (403, "csrf")
    assert (await page.post("/v1/logout")).status_code == 204
    async with review.client() as other:
        other.cookies.set(cookie.name, cookie.value or "")
        assert (await other.get("/v1/me")).status_code == 401
    await page.aclose()


async def test_guessing_passwords_has_to_wait(review: Review) -> None:
    await (await review.sign_in("kim")).aclose()
    async with review.client() as client:

        async def login(name: str, password: str) -> httpx.Response:
            return await client.post("/v1/login", json={"name": name, "password": password})

        codes = [(await login("kim", "wrong")).status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]
        refused = await login("kim", PASSWORD)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 1
        unknown = await login("nobody", "wrong")
        assert unknown.json()["error"] == "wrong_credentials", "it does not tell which names exist"


async def test_a_new_password_ends_the_sessions_and_a_revoked_token_is_dead(review: Review) -> None:
    page = await review.sign_in("lea")
    client = await review.account("lea", "reviewer", password="another good one")
    assert (await page.get("/v1/me")).status_code == 401
    assert (await client.get("/v1/me")).status_code == 200
    tokens = (await review.admin.get("/v1/accounts/lea/tokens")).json()["tokens"]
    assert all("token" not in token for token in tokens)
    for token in tokens:
        answer = await review.admin.delete(f"/v1/accounts/lea/tokens/{token['token_id']}")
        assert answer.status_code == 204
    assert (await client.get("/v1/me")).status_code == 401
    assert (await review.admin.delete("/v1/accounts/lea/tokens/1")).status_code == 404
    stored = await review.database.fetchval("SELECT password_hash FROM accounts WHERE name = 'lea'")
    assert stored.startswith("$argon2id$")
    accounts = (await review.admin.get("/v1/accounts")).json()["accounts"]
    assert {"name", "roles", "has_password", "created_at"} == set(accounts[0])
    await page.aclose()
    await client.aclose()


async def test_errors_are_plain_and_headers_are_set(review: Review, system: System) -> None:
    missing = await review.admin.get("/v1/nowhere")
    assert missing.json() == {"error": "not_found", "detail": "Not Found"}
    assert missing.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in missing.headers["Content-Security-Policy"]
    bad = await review.admin.post(
        "/v1/accounts", json={"name": "x y", "roles": ["king"], "password": "secret"}
    )
    assert bad.status_code == 422
    assert "secret" not in bad.text
    nul = await review.admin.get("/v1/projects/a%00b/status")
    assert nul.status_code in {404, 422}
    surrogate = b'{"name":"x","password":"\\ud800"}'
    answer = await review.admin.post(
        "/v1/login", content=surrogate, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {401, 422}
    async with review.client() as stranger:
        long = await stranger.post("/v1/login", content=b" " * 50_000_000)
        assert (long.status_code, long.json()["error"]) == (413, "body_too_large")
        assert (await stranger.get("/v1/me")).status_code == 401
    logs = (system.folder / "logs" / "review-api-0.log").read_text()
    for secret in (system.admin_token, PASSWORD, "another good one"):
        assert secret not in logs


async def test_projects_have_versions(review: Review) -> None:
    path = f"/v1/projects/{review.project}"
    definition = PROJECT.format(project=review.project)

    async def put(text: str) -> tuple[int, int, bool]:
        answer = (await review.admin.put(path, content=text)).raise_for_status().json()
        return answer["version"], answer["guideline_version"], answer["changed"]

    assert await put(definition) == (1, 1, False)
    assert await put(definition + "policy: {audit_rate: 0.5}\n") == (2, 1, True)
    assert await put(definition.replace("Say which.", "Say which one.")) == (3, 2, True)
    assert (await review.admin.get(path)).json()["spec"]["guideline"] == "Say which one."
    earlier = (await review.admin.get(path, params={"version": 2})).json()
    assert (earlier["version"], earlier["guideline_version"]) == (2, 1)
    assert earlier["spec"]["policy"]["audit_rate"] == 0.5
    for version, status, code in [(4, 404, "unknown_version"), (0, 422, "invalid_request")]:
        refused = await review.admin.get(path, params={"version": version})
        assert (refused.status_code, refused.json()["error"]) == (status, code)
    assert review.project in [
        p["project"] for p in (await review.admin.get("/v1/projects")).json()["projects"]
    ]
    for wrong, why in [
        ("a: b: c", "not YAML"),
        ("[" * 5000, "not YAML"),
        (definition.replace("positive", "negative"), "names must differ"),
        (definition.replace(review.project, "other"), "differs from"),
        (definition + "kind: dance\n", "unknown"),
        (definition.replace("Say which.", '"a\\0b"'), "NUL"),
        (definition.replace("Say which.", '"a\\ud800"'), "invalid Unicode"),
    ]:
        refused = await review.admin.put(path, content=wrong)
        assert (refused.status_code, refused.json()["error"]) == (422, "invalid_project"), wrong
        assert why in refused.json()["detail"]
    assert (await review.admin.get("/v1/projects/absent")).status_code == 404


async def test_tasks_that_keep_their_number_of_decisions_are_told(review: Review) -> None:
    definition = PROJECT.format(project=review.project)

    async def apply(decisions: int) -> list[str]:
        text = definition + f"policy: {{decisions_per_task: {decisions}}}\n"
        answer = (await review.admin.put(f"/v1/projects/{review.project}", content=text)).raise_for_status()
        return [warning for warning in answer.json()["warnings"] if "decisions_per_task" in warning]

    assert await apply(2) == [], "nothing waits"
    await review.make_tasks(3, needed=2)
    client = await review.account("keeps-number", "reviewer")
    await review.claim(client)
    (warning,) = await apply(3)
    assert "is 3 for tasks made from now on: 3 that wait or are in hand keep" in warning
    assert await apply(3) == [], "nothing changed"
    await client.aclose()


async def test_going_back_to_an_earlier_guideline_is_told(review: Review) -> None:
    definition = PROJECT.format(project=review.project)

    async def apply(text: str) -> list[str]:
        answer = (await review.admin.put(f"/v1/projects/{review.project}", content=text)).raise_for_status()
        return [warning for warning in answer.json()["warnings"] if "guideline" in warning]

    assert await apply(definition.replace("Say which.", "Say which one.")) == []
    assert await apply(definition.replace("Say which.", "Say which one it is.")) == []
    (warning,) = await apply(definition)
    assert "guideline version 4 goes back to version 1" in warning
