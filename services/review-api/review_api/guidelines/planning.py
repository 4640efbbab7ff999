"""Choosing what a campaign affects, before anybody starts it: what was shown is what is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import structlog
from labelmill.embedding import Embedder
from labelmill.errors import EmbedderUnavailable

from review_api.guidelines.campaign_store import Campaign
from review_api.guidelines.campaign_work import CampaignWork
from review_api.guidelines.estimating import estimated
from review_api.guidelines.selection import (
    Candidate,
    Labelled,
    Nearest,
    likeness,
    near,
    simply_affected,
)
from review_api.projects.store import ProjectStore

log = structlog.get_logger(__name__)

MOST_EMBEDDED: Final = 5000
"""Candidates whose texts are embedded, those with the smallest margin: half a minute of one core."""
_PAGE: Final = 5000
_AT_ONCE: Final = 64


class _NotWantedError(Exception):
    """The plan was discarded meanwhile."""


class Planner:
    """Plans campaigns. `load_embedder` is called only for those that texts mark the boundary of."""

    def __init__(
        self, work: CampaignWork, projects: ProjectStore, load_embedder: Callable[[], Embedder]
    ) -> None:
        self._work = work
        self._projects = projects
        self._load_embedder = load_embedder

    async def plan(self, campaign: Campaign) -> None:
        """Choose the items of a campaign and estimate what they take. Begun again after a crash, it comes to
        the same."""
        await self._work.begin(campaign.campaign_id)
        try:
            await (self._boundary if campaign.selection.by == "boundary" else self._simple)(campaign)
        except _NotWantedError:
            return
        except EmbedderUnavailable as error:
            problem = f"texts cannot be compared here ({error}): choose by labels and margin"
            await self._work.failed(campaign.campaign_id, problem)
            return
        await self._finish(campaign)

    async def _simple(self, campaign: Campaign) -> None:
        looked_at = 0
        async for items, labels in self._pages(campaign):
            affected = simply_affected(campaign.selection, items, all_people=campaign.mode == "re-review")
            await self._work.add(campaign.campaign_id, affected)
            looked_at += labels
            await self._note(campaign, looked_at)

    async def _boundary(self, campaign: Campaign) -> None:
        nearest = self._nearest(campaign, MOST_EMBEDDED)
        looked_at = 0
        async for items, labels in self._pages(campaign):
            if campaign.selection.texts:
                nearest.add(items)
            else:
                await self._add_by_margin(campaign, items)
            looked_at += labels
            await self._note(campaign, looked_at)
        candidates = nearest.kept()
        alike = await self._alike(campaign, candidates)
        affected = near(campaign.selection, candidates, alike)
        for start in range(0, len(affected), _PAGE):
            await self._work.add(campaign.campaign_id, affected[start : start + _PAGE])

    def _nearest(self, campaign: Campaign, most: int) -> Nearest:
        return Nearest(campaign.selection, most, all_people=campaign.mode == "re-review")

    async def _add_by_margin(self, campaign: Campaign, items: Sequence[Labelled]) -> None:
        """Add those of a page that the margin alone puts near the boundary, however many there are in all."""
        nearest = self._nearest(campaign, _PAGE)
        nearest.add(items)
        candidates = nearest.kept()
        affected = near(campaign.selection, candidates, [0.0] * len(candidates))
        await self._work.add(campaign.campaign_id, affected)

    def _pages(self, campaign: Campaign) -> AsyncIterator[tuple[list[Labelled], int]]:
        selection = campaign.selection
        labels = None if selection.by == "all" else selection.labels or None
        return self._work.labelled(campaign.project, campaign.guideline_version, labels, _PAGE)

    async def _note(self, campaign: Campaign, looked_at: int) -> None:
        if not await self._work.looked(campaign.campaign_id, looked_at):
            raise _NotWantedError

    async def _alike(self, campaign: Campaign, candidates: Sequence[Candidate]) -> list[float]:
        """Return how alike each candidate's text is to the nearest of the selection's texts."""
        texts = campaign.selection.texts
        if not texts or not candidates:
            return [0.0] * len(candidates)
        embedder = await asyncio.to_thread(self._load_embedder)
        marks = await asyncio.to_thread(embedder.embed, texts)
        alike: list[float] = []
        for start in range(0, len(candidates), _AT_ONCE):
            ids = [each.item_id for each in candidates[start : start + _AT_ONCE]]
            contents = await self._work.contents(campaign.project, ids)
            vectors = await asyncio.to_thread(embedder.embed, [contents.get(each, "") for each in ids])
            alike += likeness(vectors, marks)
        return alike

    async def _finish(self, campaign: Campaign) -> None:
        items, for_people = await self._work.counts(campaign.campaign_id)
        version = await self._projects.get(campaign.project)
        assert version is not None, "a campaign has a project"
        so_far = await self._work.so_far(campaign.project)
        estimate = estimated(version.spec, so_far, items=items, for_people=for_people)
        await self._work.planned(campaign.campaign_id, estimate, for_people)
        log.info("campaign planned", project=campaign.project, campaign=campaign.campaign_id, items=items)
