"""Which items' labels are held back from whom, in SQL: what `items.sight` says of one item, for many."""

from collections.abc import Collection
from typing import Final

from labelmill.runtime.postgres import Database

from review_api.accounts.roles import Principal

_WITHHELD: Final = """
({reviewer}::text IS NOT NULL AND EXISTS (
    SELECT FROM tasks b
    WHERE b.project = {of}.project AND b.item_id = {of}.item_id
      AND (b.blind OR EXISTS (SELECT FROM rereviews x WHERE x.task_id = b.task_id OFFSET 0))
      AND (b.decided < b.needed OR (EXISTS (
          SELECT FROM outbox o WHERE o.task_id = b.task_id AND NOT o.leaving AND o.not_before > now() OFFSET 0
      ) AND EXISTS (
          SELECT FROM assignments a
          WHERE a.task_id = b.task_id AND a.reviewer = {reviewer} AND a.state = 'decided' OFFSET 0
      )))
    OFFSET 0
))
"""


def withheld(of: str, reviewer: str) -> str:
    """Return the condition that a label of the item of row `of` (with `project` and `item_id`) is held back.

    That is while a blind task of the item is open, or who asks can still change their answer to it.
    `reviewer` is the parameter with the name of who may be handed blind tasks; null: nothing is held back,
    and nothing looked up.
    """
    return _WITHHELD.replace("{of}", of).replace("{reviewer}", reviewer)


_AMONG: Final = """
SELECT k.item_id FROM (SELECT $1::text AS project, unnest($2::text[]) AS item_id) k WHERE {withheld}
""".replace("{withheld}", withheld("k", "$3"))


class BlindChecks:
    """Looks up whose labels are held back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def among(self, project: str, items: Collection[str], reviewer: str | None) -> frozenset[str]:
        """Return those of `items` whose labels are held back from `reviewer`; None: none is."""
        if reviewer is None or not items:
            return frozenset()
        rows = await self._database.pool.fetch(_AMONG, project, list(items), reviewer)
        return frozenset(row["item_id"] for row in rows)


def reviewer_in(project: str, by: Principal) -> str | None:
    """Return the name of who may be handed tasks of a project; None for who may not."""
    return by.name if by.may(("reviewer",), project) else None
