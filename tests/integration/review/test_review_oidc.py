"""Signing in at a provider: the whole code flow with real servers, and everything that must be refused."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from labelmill_local.http import answers_200
from labelmill_local.ports import free_port
from labelmill_local.process import ChildProcess, Command
from labelmill_local.system import Running, System
from labelmill_stubs.oidc import FAULTS

from .conftest import COMMAND
from .support import PASSWORD, Review

pytestmark = pytest.mark.asyncio(loop_scope="session")

PUBLIC_URL = "http://label.test"
CALLBACK = f"{PUBLIC_URL}/v1/oidc/callback"
SECRET = "the client's secret"
HOME = "/#signed-in"


@dataclass
class Site:
    """A review-api that signs people in at a provider, each at an address of its own."""

    review: Review
    api: Running
    issuer: str

    def browser(self) -> "Browser":
        return Browser(self, self.review.client(url=self.api.url))


@dataclass
class Browser:
    """A person's browser: keeps cookies, and goes where it is sent."""

    site: Site
    client: httpx.AsyncClient
    csrf: dict[str, str] = field(default_factory=dict)

    async def depart(self, path: str = "/v1/oidc/start", **body: str) -> str:
        """Ask for the way to the provider."""
        answer = await self.client.post(path, json=body, headers=self.csrf)
        url: str = answer.raise_for_status().json()["url"]
        assert url.startswith(self.site.issuer)
        return url

    async def at_provider(self, url: str, sub: str, fault: str = "") -> dict[str, str]:
        """Sign in there; return what the browser is sent back with."""
        async with httpx.AsyncClient() as elsewhere:
            answer = await elsewhere.get(f"{url}&sub={sub.replace('+', '%2B')}&fault={fault}")
        assert answer.status_code == 302, answer.text
        location = answer.headers["Location"]
        assert location.startswith(f"{CALLBACK}?")
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    async def back(self, query: dict[str, str]) -> str:
        """Come back; return where the page sends the browser on to."""
        answer = await self.client.get("/v1/oidc/callback", params=query)
        assert answer.status_code == 303
        location: str = answer.headers["Location"]
        return location

    async def sign_in(self, sub: str, fault: str = "", **body: str) -> str:
        return await self.back(await self.at_provider(await self.depart(**body), sub, fault))

    async def name(self) -> str | None:
        answer = await self.client.get("/v1/me")
        if answer.status_code == 401:
            return None
        self.csrf = {"X-CSRF-Token": answer.json()["csrf_token"]}
        name: str = answer.json()["name"]
        return name


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The issuer of the stub, a process of its own."""
    port = free_port()
    argv = [sys.executable, "-m", "labelmill_stubs.oidc", "--port", str(port), "--secret", SECRET]
    async for issuer in _running([*argv, "--redirect-uri", CALLBACK], port, tmp_path_factory.mktemp("oidc")):
        yield issuer


async def _running(argv: list[str], port: int, folder: Path) -> AsyncIterator[str]:
    issuer = f"http://127.0.0.1:{port}"
    process = ChildProcess(Command("provider", argv, folder / "provider.log", {}))
    await process.start(answers_200(f"{issuer}/.well-known/openid-configuration"))
    try:
        yield issuer
    finally:
        await process.stop()


def settings(issuer: str, **more: str) -> dict[str, str]:
    return {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": "labelmill",
        "OIDC_CLIENT_SECRET": SECRET,
        "PUBLIC_URL": PUBLIC_URL,
        **more,
    }


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def api(system: System, provider: str) -> AsyncIterator[Running]:
    async with system.running("review-api", argv=[*COMMAND, "http"], env=settings(provider)) as running:
        yield running


@pytest.fixture
def site(review: Review, api: Running, provider: str) -> Site:
    return Site(review, api, provider)


async def invited(site: Site, name: str, sub: str) -> Browser:
    """Return the browser of somebody who came in by an invitation and the provider."""
    path = f"/v1/projects/{site.review.project}/invitations"
    made = (await site.review.admin.post(path, json={"roles": ["reviewer"]})).raise_for_status().json()
    browser = site.browser()
    assert await browser.sign_in(sub, invitation=made["token"], name=name) == HOME
    return browser


async def test_an_invitation_brings_an_identity_and_only_that_one_comes_in(site: Site) -> None:
    dora = await invited(site, "dora", "sub-dora")
    me = (await dora.client.get("/v1/me")).json()
    assert (me["name"], me["roles"], me["memberships"]) == ("dora", [], {site.review.project: ["reviewer"]})
    cookies = {cookie.name: cookie for cookie in dora.client.cookies.jar}
    assert set(cookies) == {"labelmill_session"}, "the mark of being away is gone"
    assert cookies["labelmill_session"].get_nonstandard_attr("SameSite") == "strict"
    again, stranger = site.browser(), site.browser()
    assert await again.sign_in("sub-dora") == HOME
    assert await again.name() == "dora"
    assert await stranger.sign_in("sub-stranger") == "/#sign-in=not_invited"
    assert await stranger.name() is None
    assert await stranger.sign_in("dora") == "/#sign-in=not_invited", "a like name opens nothing"
    acts = (await site.review.admin.get("/v1/audit", params={"subject": "dora"})).json()["entries"]
    assert [entry["act"] for entry in acts] == ["identity.linked", "invitation.accepted"]


async def test_the_way_to_the_provider(site: Site) -> None:
    browser = site.browser()
    assert (await browser.client.get("/v1/oidc")).json() == {"provider": "single sign-on"}
    assert (await site.review.admin.get("/v1/oidc")).json() == {"provider": None}
    assert (await site.review.admin.post("/v1/oidc/start", json={})).status_code == 404
    query = parse_qs(urlsplit(await browser.depart()).query)
    assert query["redirect_uri"] == [CALLBACK]
    assert query["code_challenge_method"] == ["S256"]
    assert all(len(query[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    mark = next(iter(browser.client.cookies.jar))
    assert mark.get_nonstandard_attr("SameSite") == "lax"
    assert mark.has_nonstandard_attr("HttpOnly")
    stored = await site.review.database.fetchval("SELECT string_agg(sign_ins::text, '') FROM sign_ins")
    assert query["state"][0] not in stored


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_token_that_proves_nothing_is_refused(site: Site, fault: str) -> None:
    browser = await invited(site, f"victim-{fault}", f"sub-{fault}")
    attacker = site.browser()
    assert await attacker.sign_in(f"sub-{fault}", fault) == "/#sign-in=refused"
    assert await attacker.name() is None
    assert await attacker.sign_in(f"sub-{fault}") == HOME, "without the fault it is right"
    await browser.client.aclose()


async def test_states_serve_once_and_in_one_browser(site: Site) -> None:
    owner = await invited(site, "state-owner", "sub-state")
    thief = site.browser()
    query = await owner.at_provider(await owner.depart(), "sub-state")
    assert await thief.back(query) == "/#sign-in=refused", "no cookie"
    await thief.depart()
    assert await thief.back(query) == "/#sign-in=refused", "another browser's state"
    assert await thief.name() is None
    assert await owner.back({**query, "state": "guessed"}) == "/#sign-in=refused"
    assert await owner.back(query) == "/#sign-in=refused", "the mark went with the failure"
    query = await owner.at_provider(await owner.depart(), "sub-state")
    assert await owner.back(query) == HOME
    assert await owner.back(query) == "/#sign-in=refused", "used"
    query = await owner.at_provider(await owner.depart(), "sub-state")
    assert await owner.back({**query, "iss": "https://elsewhere.example"}) == "/#sign-in=refused"
    query = await owner.at_provider(await owner.depart(), "sub-state")
    await site.review.database.execute("UPDATE sign_ins SET expires_at = now()")
    assert await owner.back(query) == "/#sign-in=refused", "too late"
    denied = await owner.at_provider(await owner.depart(), "denied")
    assert denied["error"] == "access_denied"
    assert await owner.back(denied) == "/#sign-in=refused"


async def test_the_verifier_of_another_departure_does_not_fit(site: Site) -> None:
    browser = await invited(site, "pkce", "sub-pkce")
    first = await browser.at_provider(await browser.depart(), "sub-pkce")
    second = await browser.at_provider(await browser.depart(), "sub-pkce")
    assert await browser.back({**second, "code": first["code"]}) == "/#sign-in=refused"


async def test_new_keys_of_the_provider_are_fetched(site: Site) -> None:
    browser = await invited(site, "keys", "sub-keys")
    async with httpx.AsyncClient() as operator:
        (await operator.post(f"{site.issuer}/rotate")).raise_for_status()
    assert await browser.sign_in("sub-keys") == HOME


async def test_who_is_signed_in_links_an_identity_and_nobody_takes_it(site: Site) -> None:
    lena, mallory = site.browser(), site.browser()
    for browser, name in ((lena, "lena-oidc"), (mallory, "mallory-oidc")):
        await site.review.account(name, "reviewer", password=PASSWORD)
        await browser.client.post("/v1/login", json={"name": name, "password": PASSWORD})
        assert await browser.name() == name
    query = await lena.at_provider(await lena.depart("/v1/me/identity"), "sub-lena")
    assert await lena.back(query) == HOME
    elsewhere = site.browser()
    assert await elsewhere.sign_in("sub-lena") == HOME
    assert await elsewhere.name() == "lena-oidc"
    query = await mallory.at_provider(await mallory.depart("/v1/me/identity"), "sub-lena")
    assert await mallory.back(query) == "/#sign-in=identity_taken"
    token = await site.review.account("lena-oidc", "reviewer")
    assert (await token.post(f"{site.api.url}/v1/me/identity")).status_code == 403


async def test_provisioning_and_roles_by_claim(review: Review, system: System, provider: str) -> None:
    env = settings(provider, OIDC_PROVISION="true", OIDC_ROLES_CLAIM="groups")
    async with system.running("review-api", argv=[*COMMAND, "http"], env=env) as api:
        site = Site(review, api, provider)
        first, namesake = site.browser(), site.browser()
        assert await first.sign_in("sub-pia+manager+service") == HOME
        me = (await first.client.get("/v1/me")).json()
        assert me["name"] == "sub_pia+manager+service"
        assert me["roles"] == ["manager"], "no provider makes a service"
        await review.account("sub_admin", "admin")
        assert await namesake.sign_in("sub-admin") == HOME
        assert await namesake.name() == "sub_admin2", "the name of another opens nothing"
        assert (await namesake.client.get("/v1/me")).json()["roles"] == []
        await review.database.execute(
            "UPDATE accounts SET roles = '{admin}' WHERE name = 'sub_pia+manager+service'"
        )
        assert await first.sign_in("sub-pia+manager+service") == HOME
        assert (await first.client.get("/v1/me")).json()["roles"] == ["manager"], "at each sign-in"


async def test_a_provider_that_others_wrote(
    review: Review, system: System, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """oidc-provider-mock, from PyPI: a form to fill in, its own way of everything."""
    port = free_port()
    argv = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--host", "127.0.0.1"]
    folder = tmp_path_factory.mktemp("mock")
    async for issuer in _running([*argv, "--require-nonce"], port, folder):
        env = settings(issuer, OIDC_PROVISION="true")
        async with system.running("review-api", argv=[*COMMAND, "http"], env=env) as api:
            browser = Site(review, api, issuer).browser()
            url = await browser.depart()
            async with httpx.AsyncClient() as elsewhere:
                answer = await elsewhere.post(url, data={"sub": "wanda"})
            query = parse_qs(urlsplit(answer.headers["Location"]).query)
            assert await browser.back({name: values[0] for name, values in query.items()}) == HOME
            assert await browser.name() is not None
