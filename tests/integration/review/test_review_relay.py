"""The outbox relay: what was settled leaves, also after the worst moment to die."""

import pytest
from labelmill.events import EventDecoder, ReviewDecided
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.service import Context
from labelmill.topics import REVIEWS_DECIDED
from labelmill_local.system import Running
from review_api.settings import ReviewSettings
from review_api.tasks.outbox import Outbox
from review_api.tasks.relay import Relay

from .support import Review, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


class DyingError(Exception):
    """The process dies here."""


class DiesAfterPublishing:
    """A publisher whose process dies between the acknowledgement and whatever comes next."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, topic: str, records: list[OutRecord]) -> None:
        await self._publisher.publish(topic, records)
        raise DyingError


def relay_of(database: Database, publisher: Publisher | DiesAfterPublishing) -> Relay:
    settings = ReviewSettings(http_port=0)
    return Relay(Context.create("review-api", settings), Outbox(database), publisher, settings)  # type: ignore[arg-type]


async def settle_one(review: Review, name: str) -> None:
    client = await review.account(name, "reviewer")
    (task,) = await review.claim(client)
    body = {"lease": task["lease"], "label": "negative"}
    (await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await client.aclose()


async def decided_in_minutes(review: Review) -> int:
    stats = (await review.admin.get(f"/v1/projects/{review.project}/stats")).json()
    return sum(minute["decided"] for minute in stats["minutes"])


async def test_dying_after_publishing_repeats_the_event_and_counts_it_once(
    review: Review, relay: Running, database: Database, publisher: Publisher
) -> None:
    await review.make_tasks(2)
    await relay.process.stop()  # a stopped child is not started again
    await settle_one(review, "gil")
    async with Outbox(database).alone() as relaying:
        assert relaying is not None, "a relay that is stopped gives the right back"
        with pytest.raises(DyingError):
            await relay_of(database, DiesAfterPublishing(publisher)).relay_once(relaying)
    assert len(await review.read(REVIEWS_DECIDED.name, 1)) == 1
    assert await decided_in_minutes(review) == 0
    status = await review.status()
    assert (status["decided"], status["final_labels"]) == (1, 1), "settled is settled, relayed or not"
    await relay.process.start(relay.ready)
    records = await review.read(REVIEWS_DECIDED.name, 2)
    events = [EventDecoder(ReviewDecided).decode(record.value) for record in records]
    assert len({event.event_id for event in events}) == 1
    assert events[0] == events[1]
    await review.until_left()
    status = await review.status()
    assert (status["decided"], status["final_labels"]) == (1, 1)
    assert await decided_in_minutes(review) == 1


async def test_what_may_be_leaving_cannot_be_undone(
    review: Review, relay: Running, database: Database
) -> None:
    await review.make_tasks(1)
    page = await review.sign_in("ida")
    await relay.process.stop()
    (task,) = await review.claim(page)
    body = {"lease": task["lease"], "label": "negative"}
    (await page.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await review.database.execute("UPDATE outbox SET leaving = true WHERE project = $1", review.project)
    undone = await page.post(f"/v1/tasks/{task['task_id']}/undo")
    assert (undone.status_code, undone.json()["error"]) == (409, "too_late")
    await relay.process.start(relay.ready)
    await review.read(REVIEWS_DECIDED.name, 1)
    await page.aclose()


async def test_two_relays_take_turns(review: Review, database: Database, relay: Running) -> None:
    async with Outbox(database).alone() as relaying:
        assert relaying is None, "the running process has it"
    await relay.process.kill()

    async def taken_over() -> bool | None:
        async with Outbox(database).alone() as relaying:
            return None if relaying is None else True

    await until(taken_over)
