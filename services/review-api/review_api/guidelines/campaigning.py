"""Working campaigns off: planning those that are new, and sending those that run in bounded batches."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog
from labelmill.events import Event, encode
from labelmill.runtime.publisher import OutRecord, Publisher
from labelmill.runtime.retry import outages
from labelmill.runtime.service import Context
from labelmill.runtime.tasks import break_off, supervised
from labelmill.topics import ITEMS, REVIEWS_REQUESTED, item_key

from review_api.guidelines import sending
from review_api.guidelines.campaign_store import Campaign
from review_api.guidelines.campaign_work import START, CampaignWork, Place, ToSend
from review_api.guidelines.planning import Planner
from review_api.projects.store import ProjectStore

log = structlog.get_logger(__name__)

_POLL_SECONDS: Final = 0.5
_BATCH: Final = 250
_OVERDUE_SECONDS: Final = 2 * 3600.0
"""After this an item is sent again. A voter in batches may take longer: then that changes nothing."""


class Campaigning:
    """A component: one process at a time works on campaigns, and goes on where another one stopped."""

    def __init__(
        self,
        context: Context,
        work: CampaignWork,
        planner: Planner,
        projects: ProjectStore,
        publisher: Publisher,
    ) -> None:
        self._context = context
        self._work = work
        self._planner = planner
        self._projects = projects
        self._publisher = publisher
        self._places: dict[int, Place] = {}
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._working = supervised(self._run(), self._context.health)

    async def stop(self) -> None:
        await break_off(self._working)

    async def _run(self) -> None:
        while True:
            async for attempt in outages():
                with attempt:
                    async with self._work.alone() as mine:
                        while mine:
                            await self._step()
                            await asyncio.sleep(_POLL_SECONDS)
            await asyncio.sleep(_POLL_SECONDS * 4)

    async def _step(self) -> None:
        at_work = await self._work.at_work()
        unpublished = await self._projects.unpublished() if at_work else []
        for campaign in at_work:
            if campaign.state == "planning":
                await self._planner.plan(campaign)
            elif campaign.project not in unpublished:
                # Before that, the machine would label by the old guideline, and nothing would come back.
                await self._go_on(campaign)

    async def _go_on(self, campaign: Campaign) -> None:
        """See what became of what was sent, and send as much more as there is room for."""
        states = sending.arrived(
            await self._work.standing(
                campaign, "sent", sending.MOST_ON_THE_WAY, overdue_seconds=_OVERDUE_SECONDS
            )
        )
        await self._work.move(campaign.campaign_id, "sent", states)
        await self._see_decided(campaign)
        arrived = len(states)
        for people in (False, True):
            most = sending.room(campaign.sent - arrived, campaign.asked, people=people)
            if most and campaign.waiting:
                await self._send(campaign, min(most, _BATCH), people=people)
        if await self._work.done(campaign.campaign_id):
            self._places.pop(campaign.campaign_id, None)
            log.info("campaign done", project=campaign.project, campaign=campaign.campaign_id)

    async def _see_decided(self, campaign: Campaign) -> None:
        """Look at the next of the items that people were asked about, going round and round."""
        place = self._places.get(campaign.campaign_id, START)
        asked = await self._work.standing(
            campaign, "asked", sending.MOST_ASKED, overdue_seconds=_OVERDUE_SECONDS, after=place
        )
        is_last = len(asked) < sending.MOST_ASKED
        self._places[campaign.campaign_id] = START if is_last else asked[-1].place
        await self._work.move(campaign.campaign_id, "asked", sending.decided(asked))

    async def _send(self, campaign: Campaign, most: int, *, people: bool) -> None:
        """Send the next items. After a crash in between they are sent again, which changes nothing: an item
        is routed once under a guideline."""
        items = await self._work.next(campaign, most, people=people)
        states = sending.without_sending(items)
        to_send = [item for item in items if item.item_id not in states]
        if to_send:
            await self._publish(campaign, to_send, people=people)
        await self._work.move(
            campaign.campaign_id, "waiting", states | {item.item_id: "sent" for item in to_send}
        )

    async def _publish(self, campaign: Campaign, items: Sequence[ToSend], *, people: bool) -> None:
        project, now_ms = campaign.project, int(time.time() * 1000)
        topic = REVIEWS_REQUESTED if people else ITEMS
        events: list[Event]
        if people:
            version = await self._projects.get(project)
            assert version is not None, "a campaign has a project"
            events = [sending.asked_again(version, item, now_ms) for item in items]
        else:
            guideline = campaign.guideline_version
            events = [sending.item_again(project, guideline, item, now_ms) for item in items]
        records = []
        for item, event in zip(items, events, strict=True):
            # Where ingestion has put it: the partition is that of the key.
            key = item_key(project, item.item_id)
            partition = await self._publisher.partition_for(ITEMS.name, key)
            records.append(OutRecord(partition, key, encode(event)))
        await self._publisher.publish(topic.name, records)
        self._context.metrics.published.labels(topic.name).inc(len(records))
