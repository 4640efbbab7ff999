"""When a campaign goes on: once the other services can have heard of its guideline."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from review_api.guidelines.campaigning import Campaigning

pytestmark = pytest.mark.asyncio


class Campaigns:
    """One campaign that runs, in a project whose new version Kafka holds or does not."""

    def __init__(self, *, published: bool) -> None:
        self.published = published
        self.looked_at: list[str] = []

    async def at_work(self) -> list[Any]:
        return [SimpleNamespace(campaign_id=1, project="p", state="running", sent=0, asked=0, waiting=5)]

    async def unpublished(self) -> list[str]:
        return [] if self.published else ["p"]

    async def standing(self, _: Any, state: str, *__: Any, **___: Any) -> list[Any]:
        self.looked_at.append(state)
        return []

    async def next(self, *_: Any, **__: Any) -> list[Any]:
        self.looked_at.append("waiting")
        return []

    async def move(self, *_: Any) -> None:
        pass

    async def done(self, _: int) -> bool:
        return False


@pytest.mark.parametrize("published", [True, False])
async def test_nothing_is_sent_under_a_guideline_that_kafka_does_not_hold(published: bool) -> None:
    parts = cast("Any", Campaigns(published=published))
    await Campaigning(cast("Any", None), parts, parts, parts, parts)._step()
    assert parts.looked_at == (["sent", "asked", "waiting", "waiting"] if published else [])
