"""What the trainer keeps as evidence for a promise, and what it judges it by."""

import time
from collections.abc import AsyncIterator

import pytest
from labelmill import ids
from labelmill.events import Decision, ReviewDecided
from labelmill.promise.gate import Audit, Promise
from labelmill.promise.standing import judged
from labelmill.runtime.postgres import Database
from labelmill.runtime.settings import DatabaseSettings
from labelmill_local.system import System
from pydantic import SecretStr
from trainer.audits import Audits
from trainer.definitions import Definition
from trainer.gates import Gates, Kept
from trainer.splitting import sketch
from trainer.store import Incoming, Store
from trainer.triggers import MOST_KNOWN


@pytest.fixture
async def database(system: System) -> AsyncIterator[Database]:
    running = Database(
        DatabaseSettings(database_url=SecretStr(system.database_url("trainer"))), "trainer", "trainer"
    )
    await running.start()
    yield running
    await running.stop()


def audit(project: str, item: str, guideline_version: int = 1, reason: str = "audit") -> Incoming:
    event = ReviewDecided(
        project=project,
        event_id=ids.event_id(project, item),
        item_id=item,
        task_id=1,
        kind="choice",
        content=f"{item} {ids.event_id('x', item)}",
        metadata={},
        label="a",
        machine_label="b",
        machine_confidence=0.9,
        decisions=[Decision(reviewer="r", label="a", decided_at=1, seconds=2.0)],
        reasons=[reason],
        propensity=0.5,
        blind=True,
        guideline_version=guideline_version,
        release=0,
        decided_at=int(time.time() * 1000),
        audit_rate=0.5,
    )
    return Incoming(event, sketch(project, event.content), 0.9)


async def test_audits_by_another_guideline_are_no_evidence(database: Database) -> None:
    store, audits, project = Store(database), Audits(database), "evidence_guideline"
    await store.record(project, [audit(project, "old"), audit(project, "new", guideline_version=2)], 0.2, 1)
    assert [row.item_id for row in await audits.after(project, guideline_version=2)] == ["new"]


async def test_an_audit_tells_whether_its_text_spoke_to_the_llm(database: Database) -> None:
    store, audits, project = Store(database), Audits(database), "evidence_suspicious"
    await store.record(project, [audit(project, "odd", reason="suspicious"), audit(project, "plain")], 0.2, 1)
    rows = await audits.after(project, guideline_version=1)
    assert {row.item_id: row.is_suspicious for row in rows} == {"odd": True, "plain": False}


async def test_a_standing_is_kept_with_the_definition_that_it_is_about(database: Database) -> None:
    gates, project = Gates(database), "evidence_kept"
    right = [Audit(seq=number, score=0.99, error=False) for number in range(30)]
    kept = Kept(judged(Promise(target=0.02), None, 0, 0, right), Definition("machine", "rules"))
    async with gates.judging(project) as judging:
        assert judging is not None
        assert judging.before is None
        judging.now = kept
    other = kept._replace(definition=Definition("machine", "other rules"))
    async with gates.judging(project) as judging:
        assert judging is not None
        assert judging.before == kept
        judging.now = other
    async with gates.judging(project) as judging:
        assert judging is not None
        assert judging.before == other


async def test_nobody_else_judges_meanwhile(database: Database) -> None:
    gates, project = Gates(database), "evidence_turns"
    async with gates.judging(project) as first, gates.judging(project) as second:
        assert first is not None
        assert second is None


async def judge_and_fail(gates: Gates, project: str) -> None:
    async with gates.judging(project) as judging:
        assert judging is not None
        judging.now = Kept(judged(Promise(target=0.02), None, 0, 0, []), Definition("m", "r"))
        raise RuntimeError


async def test_after_an_error_all_is_as_it_was(database: Database) -> None:
    gates, project = Gates(database), "evidence_error"
    with pytest.raises(RuntimeError):
        await judge_and_fail(gates, project)
    async with gates.judging(project) as judging:
        assert judging is not None
        assert judging.before is None


async def test_where_a_dataset_ends_that_nobody_knows_is_not_told(database: Database) -> None:
    assert await Gates(database).watermark("evidence_dataset", "d") is None


async def test_decisions_are_known_up_to_the_last_dataset_and_counted_as_far_as_matters(
    database: Database,
) -> None:
    store, project = Store(database), "evidence_known"
    await store.record(project, [audit(project, f"old{n}") for n in range(MOST_KNOWN + 5)], 0.2, 1)
    assert (await store.facts(project)).known_decisions == 0
    job = await store.job(await store.request(project, "student", "on_demand", 1))
    await store.freeze(job, ["a", "b"], 1000, 1)
    await store.record(project, [audit(project, f"new{n}") for n in range(3)], 0.2, 1)
    facts = await store.facts(project)
    assert (facts.new_decisions, facts.known_decisions) == (3, MOST_KNOWN)
