"""When the queue is looked through for what a promise covers, and when no more of it."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import AcceptancePublished
from labelmill.runtime.metrics import Metrics
from review_api.projects.versions import Version
from review_api.tasks.covering import Waiting
from review_api.tasks.withdrawal import START, Place
from review_api.tasks.withdrawing import Withdrawing

from .test_covering import SPEC, acceptance, task

pytestmark = pytest.mark.asyncio

PAGES = 3


class Queue:
    """Stands in for the store and the projects: a task a page, all of them sure."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.withdrawn: list[int] = []

    async def get(self, _: str) -> Version:
        return Version(1, 1, SPEC)

    async def waiting(
        self, _: str, after: Place, least: Mapping[int, float], most: int
    ) -> tuple[list[Waiting], Place | None]:
        self.looked_at += 1
        number = 1 if after == START else after[2] + 1
        return [task(number, 0.99)], ("", 0.99, number) if number < PAGES else None

    async def withdraw(self, tasks: list[Waiting]) -> int:
        self.withdrawn += [each.task_id for each in tasks]
        return len(tasks)


def withdrawing() -> tuple[Withdrawing, Queue]:
    queue = Queue()
    parts = cast("Any", queue)
    return Withdrawing(parts, parts, Metrics()), queue


def told(found: Acceptance) -> AcceptancePublished:
    return AcceptancePublished(project="p", acceptance=found)


async def test_the_queue_is_looked_through_once_for_the_same_thresholds() -> None:
    one, queue = withdrawing()
    for audits in (400, 401):
        await one.hear(told(acceptance(audits=audits)), lambda: True)
    assert (queue.looked_at, queue.withdrawn) == (PAGES, [1, 2, 3])


async def test_another_label_that_opens_is_reason_to_look_again() -> None:
    one, queue = withdrawing()
    for labels in ({"yes": 0.9}, {"yes": 0.9, "no": 0.95}):
        threshold = Threshold(release=1, confidence=2.0, by_label=labels)
        await one.hear(told(acceptance(threshold)), lambda: True)
    assert queue.looked_at == 2 * PAGES


async def test_after_an_alarm_the_same_thresholds_are_looked_through_again() -> None:
    one, queue = withdrawing()
    for state in ("open", "alarm", "open"):
        await one.hear(told(acceptance(state=state)), lambda: True)
    assert queue.looked_at == 2 * PAGES


async def test_newer_evidence_ends_a_look_and_the_next_one_starts_over() -> None:
    one, queue = withdrawing()
    await one.hear(told(acceptance()), lambda: queue.looked_at < 1)
    assert queue.withdrawn == [1], "an alarm may have come"
    await one.hear(told(acceptance()), lambda: True)
    assert queue.looked_at == 1 + PAGES
