"""Random tokens and passwords: how they are made, and the hashes that are kept instead."""

import asyncio
import hashlib
import hmac
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_HASHERS_AT_ONCE = 2
"""Argon2 takes 64 MiB and a core each time: a wave of sign-ins waits instead of eating the machine."""


def new_token() -> str:
    """Return 256 random bits, fit for a header or a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return what is stored of a token. It is random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def csrf_token(session_token: str) -> str:
    """Return the token that unsafe requests of a session must carry in a header.

    It follows from the session's secret, so it needs no storage, and tells nothing about it.
    """
    return hmac.digest(session_token.encode(), b"csrf", "sha256").hex()


class Passwords:
    """Hashes and checks passwords with argon2id, off the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(_HASHERS_AT_ONCE)
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Return whether `password` is right; takes as long for an account that has none."""
        if stored is None:
            self._nobodys = self._nobodys or await self.hash(new_token())
        async with self._turn:
            right = await asyncio.to_thread(self._check, stored or self._nobodys, password)
        return right and stored is not None

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
