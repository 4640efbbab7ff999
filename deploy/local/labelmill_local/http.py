"""Asking a child over HTTP whether it is ready, and how it does.

With aiohttp: a client of httpx reads all certificate authorities first, which takes longer than the request.
"""

import aiohttp

from labelmill_local.process import Probe

_PROBE_TIMEOUT_S = 2.0


async def text_at(url: str, timeout_s: float) -> str | None:
    """Return the body that GET `url` answers with status 200, or None."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.get(url) as response,
        ):
            return await response.text() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def answers_200(url: str) -> Probe:
    """A probe that is True once GET `url` is answered with status 200."""

    async def probe() -> bool:
        return await text_at(url, _PROBE_TIMEOUT_S) is not None

    return probe
