"""Background tasks: an error in one is never silent."""

import asyncio

from labelmill.runtime.health import Health
from labelmill.runtime.tasks import break_off, supervised


async def fail() -> None:
    raise ValueError("a bug")


async def test_an_error_stops_the_service() -> None:
    health = Health(stall_seconds=10)
    supervised(fail(), health)
    await asyncio.wait_for(health.failed.wait(), 1)
    assert isinstance(health.failure, ValueError)


async def test_breaking_off_is_no_failure_and_raises_nothing() -> None:
    health = Health(stall_seconds=10)
    sleeping = supervised(asyncio.sleep(60), health)
    await break_off(sleeping, None)
    assert sleeping.cancelled()
    assert health.failure is None
    failed = supervised(fail(), health)
    await asyncio.sleep(0)
    await break_off(failed)
