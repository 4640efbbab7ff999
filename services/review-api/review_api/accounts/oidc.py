"""OpenID Connect with one provider: the authorization code flow with PKCE, and what its id token must be.

Follows OpenID Connect Core 1.0, section 3.1. The provider's addresses come from its discovery document, and
that from the operator's `OIDC_ISSUER`: no address that a user gives is ever called.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgspec
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from labelmill.errors import LabelmillError

from review_api.accounts import secrecy
from review_api.settings import ReviewSettings

log = structlog.get_logger(__name__)

CALLBACK_PATH: Final = "/v1/oidc/callback"

# Signatures by a private key only: neither "none", nor one made with a secret that others know too.
_ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
_REMEMBERED_SECONDS: Final = 3600.0
_TIMEOUT_SECONDS: Final = 10.0
_LEEWAY_SECONDS: Final = 60
_MOST_BYTES: Final = 256 * 1024


class SignInFailed(LabelmillError):
    """The provider did not say who this is, or said it in a way that proves nothing."""


class Discovered(msgspec.Struct, frozen=True):
    """What is used of a provider's discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


@dataclass(frozen=True)
class Departure:
    """A browser that leaves for the provider: where to, and what must come back with it."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Whom the provider vouches for. The pair of issuer and subject is who it is; all else is only said."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]


class Provider:
    """The provider of the settings."""

    def __init__(self, settings: ReviewSettings) -> None:
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret.get_secret_value()
        self._scope = settings.oidc_scope
        self._redirect_uri = settings.public_url.rstrip("/") + CALLBACK_PATH
        self._discovered: tuple[Discovered, float] | None = None
        self._keys: tuple[KeySet, float] | None = None
        self._turn = asyncio.Lock()

    @property
    def is_set(self) -> bool:
        return bool(self._issuer)

    async def departure(self) -> Departure:
        """Return where to send a browser. Raises SignInFailed if the provider does not answer."""
        discovered = await self._discover()
        state, nonce, verifier = (secrecy.new_token() for _ in range(3))
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                discovered.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
            )
        return Departure(url, state, nonce, verifier)

    async def identity(self, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange the code that a browser brought for who it is. Raises SignInFailed."""
        discovered = await self._discover()
        try:
            async with self._client() as client:
                token = await client.fetch_token(
                    discovered.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                )
        except (AuthlibBaseError, httpx2.HTTPError, ValueError) as error:
            raise SignInFailed(f"the provider refuses the code: {error}") from error
        claims = await self._verified(token, nonce)
        return Identity(claims["iss"], claims["sub"], claims)

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id,
            self._secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            redirect_uri=self._redirect_uri,
            scope=self._scope,
            code_challenge_method="S256",
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,
        )

    async def _verified(self, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """Return the claims of the id token. Raises SignInFailed unless all that proves them is right."""
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise SignInFailed("the provider gave no id token")
        required = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
        params = {"nonce": nonce, "client_id": self._client_id, "access_token": token.get("access_token")}
        try:
            signed = await self._signed(id_token)
            claims = CodeIDToken(signed.claims, signed.header, required, params)
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (AuthlibBaseError, JoseError, ValueError, TypeError) as error:
            raise SignInFailed(f"the id token proves nothing: {error!r}") from error
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise SignInFailed("the subject is not a text of up to 255 characters")
        return claims

    async def _signed(self, id_token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(id_token, await self._key_set(), registry=registry)
        except (JoseError, ValueError):
            # The provider may have changed its keys since.
            return jwt.decode(id_token, await self._key_set(afresh=True), registry=registry)

    async def _discover(self) -> Discovered:
        """Return the discovery document, not older than an hour. Raises SignInFailed."""
        async with self._turn:
            now = time.monotonic()
            if self._discovered is None or self._discovered[1] < now:
                body = await self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
                try:
                    found = msgspec.json.decode(body, type=Discovered)
                except msgspec.DecodeError as error:
                    raise SignInFailed(f"the discovery document cannot be used: {error}") from error
                if found.issuer != self._issuer:
                    raise SignInFailed(f"the provider calls itself {found.issuer!r}, not {self._issuer!r}")
                self._discovered = (found, now + _REMEMBERED_SECONDS)
            return self._discovered[0]

    async def _key_set(self, *, afresh: bool = False) -> KeySet:
        discovered = await self._discover()
        async with self._turn:
            now = time.monotonic()
            if self._keys is None or self._keys[1] < now or afresh:
                body = await self._get(discovered.jwks_uri)
                try:
                    keys = KeySet.import_key_set(msgspec.json.decode(body))
                except (JoseError, msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
                    raise SignInFailed(f"the provider's keys cannot be used: {error!r}") from error
                self._keys = (keys, now + _REMEMBERED_SECONDS)
            return self._keys[0]

    async def _get(self, url: str) -> bytes:
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client:
                answer = await client.get(url)
                answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise SignInFailed(f"the provider does not answer: {error!r}") from error
        if len(answer.content) > _MOST_BYTES:
            raise SignInFailed("the provider's answer is too long")
        return answer.content
