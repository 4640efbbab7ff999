"""The provider stub: `python -m labelmill_stubs.oidc --port 8090 --secret SECRET --redirect-uri URI`.

An OpenID provider as the specifications say: discovery, the code flow with PKCE (S256, always asked for),
codes that serve once, id tokens signed with RS256, and their keys. Whoever comes is `?sub=` of the address of
authorization, or else `sub-1`: there is nobody to ask. With `?fault=` there the id token is wrong in one way.
"""

import argparse
import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

FAULTS = (
    *("nonce", "no_nonce", "issuer", "audience", "azp", "expired", "at_hash", "no_subject"),
    *("other_key", "unsigned", "shared_key", "no_token", "not_a_token"),
)


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    subject: str
    fault: str
    nonce: str
    challenge: str
    redirect_uri: str


@dataclass
class Provider:
    """The provider, with its one client."""

    issuer: str
    client: str
    secret: str
    redirect_uri: str
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    grants: dict[str, Grant] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self.discovery),
                web.get("/authorize", self.authorize),
                web.post("/token", self.token),
                web.get("/jwks", self.jwks),
                web.post("/rotate", self.rotate),
            ]
        )
        return app

    async def discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                # A provider that offers too much: a client must not take it up.
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def jwks(self, _: web.Request) -> web.Response:
        return web.json_response(KeySet([self.key]).as_dict(private=False))

    async def rotate(self, _: web.Request) -> web.Response:
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        return web.Response(status=204)

    async def authorize(self, request: web.Request) -> web.Response:
        query = request.query
        if query.get("client_id") != self.client or query.get("redirect_uri") != self.redirect_uri:
            return web.Response(status=400, text="unknown client or redirect URI")
        state = query.get("state", "")
        proper = (
            query.get("response_type") == "code"
            and "openid" in query.get("scope", "").split()
            and query.get("code_challenge_method") == "S256"
            and len(query.get("code_challenge", "")) == 43
        )
        if not proper or query.get("sub") == "denied":
            return self._redirect(
                {"error": "invalid_request" if not proper else "access_denied", "state": state}
            )
        code = secrets.token_urlsafe(16)
        self.grants[code] = Grant(
            query.get("sub", "sub-1"),
            query.get("fault", ""),
            query.get("nonce", ""),
            query["code_challenge"],
            query["redirect_uri"],
        )
        return self._redirect({"code": code, "state": state, "iss": self.issuer})

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        expected = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("Authorization", ""), f"Basic {expected}"):
            return web.json_response({"error": "invalid_client"}, status=401)
        grant = self.grants.pop(str(form.get("code")), None)
        if grant is None or form.get("redirect_uri") != grant.redirect_uri:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if _s256(str(form.get("code_verifier", ""))) != grant.challenge:
            return web.json_response({"error": "invalid_grant", "error_description": "PKCE"}, status=400)
        access = secrets.token_urlsafe(16)
        body: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": 60}
        if grant.fault != "no_token":
            body["id_token"] = self._id_token(grant, access)
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    def _id_token(self, grant: Grant, access: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": grant.subject,
            "aud": self.client,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "at_hash": _half_hash(access),
            "preferred_username": grant.subject.replace("-", "_"),
            "groups": ["staff", *grant.subject.split("+")[1:]],
        }
        wrong: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "another"},
            "issuer": {"iss": "https://elsewhere.example"},
            "audience": {"aud": "another"},
            "expired": {"iat": now - 900, "exp": now - 600},
            "azp": {"azp": "another"},
            "at_hash": {"at_hash": _half_hash("another")},
        }
        claims |= wrong.get(grant.fault, {})
        for absent in {"no_nonce": ["nonce"], "no_subject": ["sub"]}.get(grant.fault, []):
            del claims[absent]
        return self._signed(claims, grant.fault)

    def _signed(self, claims: dict[str, Any], fault: str) -> str:
        header = {"alg": "RS256", "kid": self.key.kid}
        if fault == "not_a_token":
            return "not.a.token"
        if fault == "unsigned":
            registry = JWSRegistry(algorithms=["none"])
            return jwt.encode({"alg": "none"}, claims, OctKey.generate_key(), registry=registry)
        if fault == "shared_key":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.secret))
        key = RSAKey.generate_key(2048) if fault == "other_key" else self.key
        return jwt.encode(header, claims, key)

    def _redirect(self, query: dict[str, str]) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{self.redirect_uri}?{urlencode(query)}"})


def _s256(verifier: str) -> str:
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def _half_hash(access: str) -> str:
    return _base64url(hashlib.sha256(access.encode()).digest()[:16])


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def main() -> None:
    """Serve on loopback until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client", default="labelmill")
    parser.add_argument("--secret", required=True)
    parser.add_argument("--redirect-uri", required=True)
    given = parser.parse_args()
    provider = Provider(f"http://127.0.0.1:{given.port}", given.client, given.secret, given.redirect_uri)
    web.run_app(provider.app(), host="127.0.0.1", port=given.port, print=None)


if __name__ == "__main__":
    main()
