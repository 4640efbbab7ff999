"""The desk in front of the desk, when something fails half way."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from labelmill.projects import load_project
from review_api.gold.choosing import GoldItem
from review_api.gold.desk import GoldDesk
from review_api.gold.records import Record
from review_api.projects.versions import Version
from review_api.tasks.store import Claimed

pytestmark = pytest.mark.asyncio

SPEC = load_project(
    b"{project: p, title: T, labels: [{name: good}, {name: bad}], guideline: g,"
    b" voters: [{name: student, type: student}], review: {gold: {rate: 0.5}}}"
)


def claimed(task_id: int) -> Claimed:
    return Claimed(
        task_id=task_id, fence=task_id, lease_until=task_id, item_id=f"i{task_id}", content="a text",
        metadata="{}", blind=task_id > 100, label="null", confidence=0.0, reasons=[], kept=None,
        needed=1, pool="",
    )  # fmt: skip


class Stand:
    """Stands in for everything around the desk; handing out a check fails from the `broken` one on."""

    def __init__(
        self, broken: int, drawn: list[bool], error: Exception | None = None, *, decoys: bool = False
    ) -> None:
        self.broken = broken
        self.drawn = drawn
        self.error = error or ConnectionError("the database is away")
        self.decoys = decoys
        self.handed = 0

    async def get(self, _: str) -> Version:
        return Version(1, 1, SPEC)

    async def pools(self, *_: object) -> list[str]:
        return [""]

    async def gold(self, _: str) -> list[GoldItem]:
        return [GoldItem(number, "good", {}, None) for number in range(1, 9)]

    async def record(self, *_: object) -> Record:
        return Record({})

    async def is_work(self, *_: object) -> bool:
        return True

    async def claim(self, *what: Any, **_: object) -> Any:
        if isinstance(what[0], int):  # a check
            self.handed += 1
            if self.handed >= self.broken:
                raise self.error
            return claimed(100 + what[0])
        return [claimed(number) for number in range(1, what[2] + 1)]

    def is_gold(self, _: str, __: str, number: int, ___: float) -> bool:
        return self.drawn[number]

    async def show_blind(self, *_: object) -> set[int]:
        raise self.error

    def is_decoy(self, *_: object) -> bool:
        return self.decoys

    def shuffled(self, _: str, gold_ids: list[int]) -> list[int]:
        return sorted(gold_ids)

    def place(self, *_: object) -> int:
        return 1


@pytest.mark.parametrize(
    ("broken", "drawn", "handed_out"),
    [
        (9, [False, True, False, True], [1, 101, 2, 102]),
        (1, [False, True, False, True], [1, 2]),
        (2, [False, True, False, True], [1, 101, 2]),
        (2, [True, True, True], [101]),
    ],
)
async def test_what_is_leased_is_handed_out_though_the_rest_fails(
    broken: int, drawn: list[bool], handed_out: list[int]
) -> None:
    desk, by = made(Stand(broken, drawn)), cast("Any", SimpleNamespace(name="ann", may=lambda *_: False))
    tasks = await desk.claim(by, "p", len(drawn))
    assert [task.task_id for task in tasks] == handed_out
    assert {task.lease_until for task in tasks} == {min(handed_out)}, "none ends last, as checks would"


async def test_where_nothing_is_leased_the_failure_is_told() -> None:
    by = cast("Any", SimpleNamespace(name="ann", may=lambda *_: False))
    with pytest.raises(ConnectionError):
        await made(Stand(1, [True, True])).claim(by, "p", 2)


@pytest.mark.parametrize("drawn", [[False, True], [True, True]])
async def test_a_fault_is_told_though_something_is_leased(drawn: list[bool]) -> None:
    by = cast("Any", SimpleNamespace(name="ann", may=lambda *_: False))
    with pytest.raises(KeyError):
        await made(Stand(2 if all(drawn) else 1, drawn, KeyError("a fault"))).claim(by, "p", 2)


async def test_what_cannot_be_stored_as_shown_blind_is_shown_with_its_suggestion() -> None:
    by = cast("Any", SimpleNamespace(name="ann", may=lambda *_: False))
    tasks = await made(Stand(9, [False, False], decoys=True)).claim(by, "p", 2)
    assert [task.blind for task in tasks] == [False, False]


def made(stand: Stand) -> GoldDesk:
    parts, settings = cast("Any", stand), cast("Any", SimpleNamespace(lease_seconds=60.0))
    return GoldDesk(
        parts, checks=parts, people=parts, judge=parts, draw=parts, in_force=parts, entrance=parts,
        metrics=parts, settings=settings,
    )  # fmt: skip
