"""Which comments come along with which tasks."""

import time
from collections.abc import Iterable
from typing import Any, Protocol

from review_api.remarks.store import Audience, RemarkStore
from review_api.tasks.store import Subject

_REMEMBERED_SECONDS = 2.0


class Commentable(Protocol):
    """What must be known of a task."""

    @property
    def item_id(self) -> str: ...
    @property
    def blind(self) -> bool: ...
    @property
    def answers(self) -> list[str] | None: ...


class Comments:
    """Looks comments up for the tasks that may show them.

    Most projects have none: that is remembered for moments, so that a claim then asks nothing. Another
    process's first comment can go unseen for so long.
    """

    def __init__(self, store: RemarkStore) -> None:
        self._store = store
        self._none: dict[str, float] = {}

    async def add(self, about: Subject, reviewer: str, audience: Audience, text: str) -> None:
        """Store a comment, once."""
        await self._store.comment(about, reviewer, audience, text)
        # A new one: what is being looked up now is not remembered.
        self._none = {name: until for name, until in self._none.items() if name != about.project}

    async def for_tasks(self, project: str, tasks: Iterable[Commentable]) -> dict[str, list[dict[str, Any]]]:
        """Return, by item, what earlier raters said to the next ones; nothing for a blind task, in whose
        answer only the person's own judgement must show, unless it is to adjudicate between answers."""
        items = [task.item_id for task in tasks if not task.blind or task.answers is not None]
        if not items or not await self._has_some(project):
            return {}
        return await self._store.for_raters(project, items)

    async def _has_some(self, project: str) -> bool:
        now = time.monotonic()
        if self._none.get(project, 0.0) > now:
            return False
        none = self._none
        found = await self._store.any_for_raters(project)
        if not found:
            none[project] = now + _REMEMBERED_SECONDS
        return found
