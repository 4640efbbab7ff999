"""Agreement of a project: reads the decisions and has them compared, one project at a time."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from labelmill.kinds import kind_named
from labelmill.projects import ProjectSpec

from review_api.errors import ApiError
from review_api.items.distress import Distressing
from review_api.projects.in_force import InForce
from review_api.quality import comparing
from review_api.quality.comparing import Comparison, Confused
from review_api.quality.store import Decisions
from review_api.quality.units import Decision, Labels, units
from review_api.quality.words import Verdict, verdict
from review_api.tasks.pools import Pools

MOST_DECISIONS: Final = 20_000
"""The newest decisions that are read: they fix a coefficient to about 0.01, and take a second."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. Figures are of one guideline, those by week of all; it rests on `decisions`, and
    is `limited` if there may be more in the window. `contents` are beginnings of the examples' texts, of
    which those of the items in `sensitive` distress. `withheld` items are left out of all figures, for who
    asks may be handed a blind task of them, and a window could be so narrow that its figures tell a label;
    `examples_withheld` more are no examples, for they still wait for people."""

    guideline_version: int
    since: int
    until: int
    decisions: int
    verdict: Verdict
    comparisons: list[Comparison]
    pairs: list[Confused]
    limited: bool = False
    contents: dict[str, str] = {}
    sensitive: list[str] = []
    withheld: int = 0
    examples_withheld: int = 0


class Agreements:
    """Answers how far people agree. The arithmetic runs beside the event loop, for one request at a time."""

    def __init__(self, decisions: Decisions, projects: InForce, distressing: Distressing) -> None:
        self._decisions = decisions
        self._distressing = distressing
        self._projects = projects
        self._turn = asyncio.Lock()

    async def of(
        self,
        project: str,
        since: int = 0,
        until: int | None = None,
        guideline_version: int | None = None,
        *,
        reviewer: str | None = None,
    ) -> Agreement:
        """Return the agreement on items last decided from `since` until `until` (Unix milliseconds), as far
        as `reviewer` may know of it: None for who may not be handed tasks.

        Raises ApiError 404 if there is no such project, or no such guideline of it.
        """
        version = await self._projects.get(project)
        wanted = guideline_version or version.guideline_version
        labels = await self._decisions.labels(project, wanted)
        if labels is None:
            raise ApiError(404, "unknown_guideline", f"{project!r} has no guideline version {wanted}")
        end = until or int(time.time() * 1000) + 1
        async with self._turn:
            newest = await self._decisions.newest(project, since, end, MOST_DECISIONS, reviewer)
            found = await asyncio.to_thread(
                _compared,
                newest.decisions,
                labels,
                version.spec,
                guideline_version=wanted,
                since=since,
                until=end,
                to_rater=reviewer is not None,
            )
        items = {example.item_id for pair in found.pairs for example in pair.examples}
        contents = await self._decisions.contents(project, sorted(items))
        pools = Pools.of(version.spec.review)
        return msgspec.structs.replace(
            found,
            limited=newest.limited,
            contents=contents,
            sensitive=await self._distressing.among(project, contents, pools),
            withheld=newest.withheld,
            examples_withheld=sum(pair.withheld for pair in found.pairs),
        )


def _compared(
    read: Sequence[Decision],
    names: list[str],
    spec: ProjectSpec,
    *,
    guideline_version: int,
    since: int,
    until: int,
    to_rater: bool,
) -> Agreement:
    labels = Labels(list(names))
    found = units(read, labels, since, until)
    compared = comparing.comparisons(found, labels, kind_named(spec.kind), guideline_version)
    pairs = comparing.confused(found, labels, guideline_version, to_rater=to_rater)
    several = max(spec.policy.decisions_per_task, spec.policy.audit_raters) > 1
    return Agreement(
        guideline_version=guideline_version,
        since=since,
        until=until,
        decisions=sum(len(unit.said) for unit in found),
        verdict=verdict(compared, pairs, guideline_version, several=several),
        comparisons=compared,
        pairs=pairs,
    )
