"""Liveness: work without progress for too long, and nothing else, makes a component stalled."""

from labelmill.runtime.health import Health


def test_idle_components_never_stall() -> None:
    health = Health(stall_seconds=10)
    assert health.stalled(now=1e9) == []
    health.busy("a", now=0)
    health.progress("a", idle=True, now=1)
    assert health.stalled(now=1e9) == []


def test_work_without_progress_stalls_and_progress_mends_it() -> None:
    health = Health(stall_seconds=10)
    health.busy("a", now=0)
    health.busy("a", now=9)  # more work is no progress
    health.busy("b", now=5)
    assert health.stalled(now=10) == []
    assert health.stalled(now=10.1) == ["a"]
    health.progress("a", idle=False, now=11)
    assert health.stalled(now=12) == []
    assert health.stalled(now=21.5) == ["b", "a"] or health.stalled(now=21.5) == ["a", "b"]


def test_what_must_be_waited_for_is_no_stall() -> None:
    health = Health(stall_seconds=10)
    health.busy("a", now=0)
    health.waiting(now=9)
    assert health.stalled(now=19) == []
    assert health.stalled(now=19.5) == ["a"]
    health.progress("a", idle=True, now=20)
    health.waiting(now=21)
    assert health.stalled(now=1e9) == [], "who has no work waits for nothing"


async def test_the_first_failure_is_the_one_that_counts() -> None:
    health = Health(stall_seconds=10)
    assert health.failure is None
    first, second = ValueError("first"), ValueError("second")
    health.fail(first)
    health.fail(second)
    assert health.failure is first
    assert health.failed.is_set()
