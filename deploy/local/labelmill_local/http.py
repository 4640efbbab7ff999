"""Asking a child over HTTP whether it is ready."""

import aiohttp

from labelmill_local.process import Probe


def answers_200(url: str) -> Probe:
    """A probe that is True once GET `url` is answered with status 200."""

    async def probe() -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(url) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    return probe
