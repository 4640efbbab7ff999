"""Which version of a project items are labelled by."""

from collections.abc import Callable
from typing import cast

import msgspec
from autolabeler.handlers import _wanted
from autolabeler.plan import Plan
from autolabeler.planning import Plans
from labelmill.events import ItemIngested, ProjectPublished


class Follower(dict[str, ProjectPublished]):
    """The follower of a compacted topic, without the topic. `late` is what catching up finds."""

    def __init__(self, known: ProjectPublished, late: ProjectPublished) -> None:
        super().__init__(p=known)
        self.late = late

    async def catch_up(self) -> None:
        self["p"] = self.late


def items(*guidelines: int) -> list[ItemIngested]:
    return [ItemIngested(project="p", item_id="i", content="c", guideline_version=one) for one in guidelines]


async def test_an_item_sent_again_under_a_new_guideline_waits_for_it(
    make_project: Callable[..., ProjectPublished],
) -> None:
    """Labelled by the old one, it would be a repetition, and its campaign would wait for hours."""
    old = make_project()
    new = msgspec.structs.replace(old, guideline_version=old.guideline_version + 1)
    plans = Plans(Follower(old, new), {}, {}, "max_tokens")

    async def labelled_by(*guidelines: int) -> int:
        plan = (await plans.of(_wanted(items(*guidelines))))["p"]
        return cast("Plan", plan).guideline_version

    assert await labelled_by(0) == old.guideline_version
    assert await labelled_by(old.guideline_version, 0) == old.guideline_version
    assert await labelled_by(0, new.guideline_version, 0) == new.guideline_version
    assert await labelled_by(0) == new.guideline_version
