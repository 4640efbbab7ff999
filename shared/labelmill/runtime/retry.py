"""Waiting out the infrastructure: which failures pass by themselves, and how long to wait between tries."""

from collections.abc import AsyncIterator

import asyncpg
import stamina
from aiokafka import errors as kafka_errors
from prometheus_client import Counter
from stamina.instrumentation import RetryDetails, StructlogOnRetryHook, set_on_retry_hooks

from labelmill.runtime.health import Health

_PASSING_KAFKA = (
    kafka_errors.KafkaConnectionError,
    kafka_errors.KafkaTimeoutError,
    kafka_errors.RequestTimedOutError,
)
_PASSING_POSTGRES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg makes of a connection that dies between two steps of one statement: it is then closed.
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.DeadlockDetectedError,
    asyncpg.exceptions.SerializationError,
)


def is_passing(error: Exception) -> bool:
    """Return whether the same call may succeed later, because the broker or the database was away."""
    if isinstance(error, kafka_errors.KafkaError):
        return isinstance(error, _PASSING_KAFKA) or bool(error.retriable)
    return isinstance(error, (*_PASSING_POSTGRES, ConnectionError, TimeoutError, OSError))


def outages() -> AsyncIterator[stamina.Attempt]:
    """Iterate over attempts that go on until the outage is over; anything else is raised at once.

    Use it as `async for attempt in outages(): with attempt: ...`. Waits grow from 0.1 to 3 seconds.
    """
    return stamina.retry_context(
        on=is_passing, attempts=None, timeout=None, wait_initial=0.1, wait_max=3.0, wait_jitter=0.2
    ).__aiter__()


def watch_outages(counter: Counter, health: Health) -> None:
    """From now on add every wait of this process to `counter`, besides logging it, and have liveness know."""

    def note(details: RetryDetails) -> None:
        counter.inc()
        health.waiting()

    set_on_retry_hooks([StructlogOnRetryHook, note])
