"""Waiting out an outage."""

from collections.abc import Iterator

import asyncpg
import pytest
from labelmill.runtime.health import Health
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.retry import is_passing, outages, watch_outages
from stamina import set_testing
from stamina.instrumentation import set_on_retry_hooks


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with set_testing(True, attempts=5):
        yield
    set_on_retry_hooks(None)


async def test_each_wait_is_counted_and_is_no_stall() -> None:
    metrics, health = Metrics(), Health(stall_seconds=10)
    watch_outages(metrics.outage_retries, health)
    health.busy("items", now=-1e9)
    failures = iter([ConnectionError("away"), TimeoutError("away")])
    async for attempt in outages():
        with attempt:
            for failure in failures:
                raise failure
    assert metrics.registry.get_sample_value("labelmill_outage_retries_total") == 2
    assert health.stalled() == []


def test_a_connection_that_died_within_a_statement_passes() -> None:
    assert is_passing(asyncpg.InternalClientError("cannot switch to state 15"))


async def _fail_with(error: Exception) -> None:
    async for attempt in outages():
        with attempt:
            raise error


async def test_what_no_wait_mends_is_raised_at_once() -> None:
    metrics = Metrics()
    watch_outages(metrics.outage_retries, Health(stall_seconds=10))
    with pytest.raises(ValueError, match="broken"):
        await _fail_with(ValueError("broken"))
    assert metrics.registry.get_sample_value("labelmill_outage_retries_total") == 0
