"""What is remembered for moments: a change that comes while it is being looked up is not lost on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from labelmill.projects import load_project
from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.care.gate import Exposure
from review_api.errors import ApiError
from review_api.gold.judge import Judge
from review_api.gold.pauses import PauseGate
from review_api.gold.people import People
from review_api.gold.records import Check, Record
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.remarks.comments import Comments

pytestmark = pytest.mark.asyncio

ADA = Principal("ada", frozenset({"reviewer"}), on_page=False)
SPEC = load_project(
    b"{project: p, title: T, labels: [{name: good}, {name: bad}], guideline: g,"
    b" voters: [{name: student, type: student}], review: {gold: {rate: 0.5, bar: 0.8, min_answers: 2},"
    b" care: {sensitive: {topic: [violence]}}}}"
)
VERSION = Version(1, 1, SPEC)
NOTHING = cast("Any", None)


class Database:
    """Answers what it knew when it was asked, and only when it is let."""

    def __init__(self, knows: Any) -> None:
        self.knows = knows
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def look(self, *_: object) -> Any:
        found = self.knows
        self.asked.set()
        await self.let.wait()
        return found

    async def nothing(self, *_: object) -> Any:
        return []


async def overtaken(database: Database, ask: Callable[[], Awaitable[Any]], change: Callable[[], Any]) -> None:
    """Ask, and have something change before the answer is here."""
    asking = asyncio.ensure_future(ask())
    await database.asked.wait()
    changed = change()
    if asyncio.iscoroutine(changed):
        await changed
    database.let.set()
    await asking


async def test_who_is_paused_while_it_is_asked_is_given_no_more_tasks() -> None:
    database = Database({})
    gate = PauseGate(cast("Any", SimpleNamespace(in_force=database.look)))

    def pause() -> None:
        database.knows = {"ada": "accuracy"}
        gate.forget("p")

    await overtaken(database, lambda: gate.check(ADA, VERSION), pause)
    with pytest.raises(ApiError):
        await gate.check(ADA, VERSION)


async def test_an_answer_that_comes_while_a_record_is_read_counts_at_the_next_claim() -> None:
    check = Check(1, 1, "training", False, None, '"good"', None, None, 2**50, None)
    database = Database([check])
    checks = SimpleNamespace(history=database.look, met_or_to_come=database.nothing)
    pool = SimpleNamespace(pool=SimpleNamespace(fetch=database.nothing))
    pauses = SimpleNamespace(of=database.nothing)
    people = People(cast("Any", pool), NOTHING, cast("Any", checks), cast("Any", pauses))

    def answered() -> None:
        database.knows = [replace(check, said='"good"', decided_at=1)]
        people.forget("p", "ada")

    await overtaken(database, lambda: people.record("p", "ada"), answered)
    record = await people.record("p", "ada")
    assert record.has_answered(1)
    assert await people.record("p", "ada") is record, "and that is remembered"


async def test_gold_that_is_retired_while_it_is_read_is_not_handed_out() -> None:
    database = Database(["an item"])
    people = People(NOTHING, cast("Any", SimpleNamespace(active=database.look)), NOTHING, NOTHING)

    def retired() -> None:
        database.knows = []
        people.forget_gold("p")

    await overtaken(database, lambda: people.gold("p"), retired)
    assert await people.gold("p") == []


async def test_who_signs_out_while_somebody_is_looked_up_is_out() -> None:
    database = Database(ADA)
    access = Access(
        cast("Any", SimpleNamespace(by_token=database.look)), NOTHING, NOTHING, cache_seconds=60.0
    )

    def revoked() -> None:
        database.knows = None
        access.forget()

    await overtaken(database, lambda: access._identify("secret", on_page=False), revoked)
    with pytest.raises(ApiError):
        await access._identify("secret", on_page=False)


async def test_who_would_see_no_more_distressing_items_is_given_none() -> None:
    database = Database(True)
    store = SimpleNamespace(consent=database.look, shown=_none_shown, set_consent=_none_shown)
    exposure = Exposure(cast("Any", store), cast("Any", Versions(VERSION, VERSION)))

    async def withdrawn() -> None:
        database.knows = False
        await exposure.set_consent("ada", "p", given=False)

    await overtaken(database, lambda: exposure.allowed(ADA, VERSION), withdrawn)
    assert not await exposure.allowed(ADA, VERSION)


async def _none_shown(*_: object, **__: object) -> int:
    return 0


async def test_an_older_answer_does_not_take_the_place_of_a_newer_one() -> None:
    database = Database(VERSION)
    in_force = InForce(cast("Any", SimpleNamespace(get=database.look)))
    slow = asyncio.ensure_future(in_force.get("p"))
    await database.asked.wait()
    newer = Version(2, 2, SPEC)
    in_force._known["p"] = (newer, time.monotonic() + 30)
    database.let.set()
    assert await slow == newer
    assert await in_force.get("p") == newer


async def test_a_first_comment_is_shown_though_none_was_found_just_now() -> None:
    database = Database(False)
    shown = {"i1": [{"text": "hm"}]}

    async def stored(*_: object) -> None:
        database.knows = True

    async def for_raters(*_: object) -> Any:
        return shown

    store = SimpleNamespace(any_for_raters=database.look, comment=stored, for_raters=for_raters)
    comments = Comments(cast("Any", store))
    task = cast("Any", SimpleNamespace(item_id="i1", blind=False, answers=None))
    about = cast("Any", SimpleNamespace(project="p"))
    await overtaken(
        database,
        lambda: comments.for_tasks("p", [task]),
        lambda: comments.add(about, "ada", "raters", "hm"),
    )
    assert await comments.for_tasks("p", [task]) == shown


class Versions:
    """The version that is remembered, and the one that came into force since."""

    def __init__(self, remembered: Version, in_force: Version) -> None:
        self.remembered = remembered
        self.in_force = in_force

    async def get(self, _: str, *, afresh: bool = False) -> Version:
        return self.in_force if afresh else self.remembered


async def test_people_are_judged_by_the_bar_in_force() -> None:
    """Nobody judges them again before their next answer."""
    wrong = {
        number: Check(number, number, "check", False, None, '"good"', '"bad"', number, 0, None)
        for number in range(1, 4)
    }
    spec = msgspec.structs.replace(
        SPEC,
        review=msgspec.structs.replace(
            SPEC.review, gold=msgspec.structs.replace(SPEC.review.gold, min_answers=100)
        ),
    )
    paused: list[str] = []

    async def pause(_: str, reviewer: str, *__: object) -> bool:
        paused.append(reviewer)
        return False

    async def record(*_: object, **__: object) -> Record:
        return Record(wrong)

    async def no_gold(_: str) -> list[Any]:
        return []

    people = SimpleNamespace(record=record, gold=no_gold, forget=lambda *_: None)
    judge = Judge(
        NOTHING,
        people=cast("Any", people),
        gate=cast("Any", SimpleNamespace(forget=lambda _: None)),
        pauses=cast("Any", SimpleNamespace(pause=pause)),
        skills=NOTHING,
        rereviews=NOTHING,
        in_force=cast("Any", Versions(Version(1, 1, spec), Version(2, 1, SPEC))),
        metrics=NOTHING,
        health=NOTHING,
        undo_seconds=0.0,
    )
    await judge.judge("p", "ada")
    assert paused == ["ada"]
