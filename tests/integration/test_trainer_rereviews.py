"""What the trainer makes of a decision that was made again since the machine doubted it."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from labelmill import ids
from labelmill.events import Decision, ReviewDecided, Vote
from labelmill.runtime.postgres import Database
from labelmill.runtime.settings import DatabaseSettings
from labelmill_local.system import System
from pydantic import SecretStr
from trainer.audits import Audits
from trainer.datasets import Dataset
from trainer.looks import Looks
from trainer.splitting import sketch
from trainer.store import Incoming, Store

LABELS = ["a", "b"]
HELD_OUT, TRAINED_ON = 0.0, 0.99
"""Draws that put a text on one side or the other."""


@pytest.fixture
async def database(system: System) -> AsyncIterator[Database]:
    running = Database(
        DatabaseSettings(database_url=SecretStr(system.database_url("trainer"))), "trainer", "trainer"
    )
    await running.start()
    yield running
    await running.stop()


def decided(project: str, item: str, label: str, draw: float, **fields: Any) -> Incoming:
    """A decision on an item of which the machine says `b`."""
    vote = Vote(voter="llm", version="m", source="logprobs", label="b", confidence=0.9)
    base: dict[str, Any] = {
        "project": project,
        "event_id": ids.event_id(project, item),
        "item_id": item,
        "task_id": 1,
        "kind": "choice",
        "content": f"{item} {ids.event_id('x', item)} {ids.event_id('y', item)}",
        "metadata": {},
        "label": label,
        "machine_label": "b",
        "machine_confidence": 0.9,
        "decisions": [Decision(reviewer="r", label=label, decided_at=1, seconds=2.0)],
        "reasons": ["low_confidence"],
        "propensity": 1.0,
        "blind": False,
        "guideline_version": 1,
        "release": 0,
        "decided_at": int(time.time() * 1000),
        "votes": [vote],
    }
    event = ReviewDecided(**{**base, **fields})
    return Incoming(event, sketch(project, event.content), draw)


def again(project: str, item: str, label: str, draw: float, **fields: Any) -> Incoming:
    later = int(time.time() * 1000) + 1000
    known = {"event_id": ids.event_id(project, item, "label_error"), "decided_at": later}
    reasons = ["low_confidence", "label_error"]
    return decided(project, item, label, draw, **{**known, "reasons": reasons, **fields})


async def record(store: Store, project: str, *incoming: Incoming) -> int:
    """Record decisions as the handler does."""
    return await store.record(project, incoming, 0.2, 1)


async def frozen(store: Store, project: str) -> tuple[Dataset, dict[str, str]]:
    """Freeze a dataset; return it, with the label of each of its texts."""
    job = await store.job(await store.request(project, "student", "on_demand", 1))
    dataset = await store.freeze(job, LABELS, 100, 1)
    members = await store.members(dataset)
    contents = await store.contents(members)
    return dataset, {text.split()[0]: member.label for text, member in zip(contents, members, strict=True)}


async def test_training_learns_the_new_label_and_what_is_held_out_keeps_the_first(database: Database) -> None:
    store, project = Store(database), "again_labels"
    first = [decided(project, "seen", "a", TRAINED_ON), decided(project, "held", "a", HELD_OUT)]
    assert await record(store, project, *first) == 2
    second = [again(project, "seen", "b", TRAINED_ON), again(project, "held", "b", HELD_OUT)]
    assert await record(store, project, *second, *second) == 2
    assert await record(store, project, *second, *first) == 0, "delivered again"
    dataset, labels = await frozen(store, project)
    assert labels == {"seen": "b", "held": "a"}
    assert (dataset.decisions, dataset.train, dataset.holdout) == (2, 1, 1)


async def test_the_second_decision_counts_though_it_is_recorded_first(database: Database) -> None:
    store, project = Store(database), "again_order"
    await record(store, project, again(project, "seen", "b", TRAINED_ON))
    await record(store, project, decided(project, "seen", "a", TRAINED_ON))
    assert (await frozen(store, project))[1] == {"seen": "b"}


async def test_it_starts_no_training_by_itself(database: Database) -> None:
    store, project = Store(database), "again_facts"
    await record(store, project, decided(project, "one", "a", TRAINED_ON))
    before = await store.facts(project)
    await record(store, project, again(project, "one", "a", TRAINED_ON))
    assert await store.facts(project) == before
    assert (before.new_decisions, before.new_corrections) == (1, 1)


async def test_the_machine_is_judged_on_first_decisions_and_none_is_doubted_twice(database: Database) -> None:
    store, looks, project = Store(database), Looks(database), "again_looks"
    first = [
        decided(project, "fresh", "a", TRAINED_ON),
        decided(project, "doubted", "a", HELD_OUT),
        decided(project, "drawn", "a", TRAINED_ON, reasons=["audit"]),
        decided(project, "evidence", "a", TRAINED_ON, audit_rate=0.5),
    ]
    await record(store, project, *first)
    found = {row.item_id: row for row in await looks.decisions(project, LABELS, "", 100)}
    assert {item for item, row in found.items() if row.may_be_doubted} == {"fresh", "doubted"}
    await record(store, project, again(project, "doubted", "b", HELD_OUT))
    found = {row.item_id: row for row in await looks.decisions(project, LABELS, "", 100)}
    assert {item for item, row in found.items() if row.may_be_doubted} == {"fresh"}
    assert {row.label for row in found.values()} == {"a"}
    assert len(found) == 4


async def test_the_evidence_for_a_promise_keeps_the_first_outcome(database: Database) -> None:
    """review-api opens no audit again; if something did all the same, the promise would not hear of it."""
    store, audits, project = Store(database), Audits(database), "again_audits"
    evidence: dict[str, Any] = {"audit_rate": 0.5, "blind": True, "propensity": 0.5}
    await record(store, project, decided(project, "audit", "a", HELD_OUT, **evidence))
    raters = [Decision(reviewer=name, label=label, decided_at=1, seconds=1.0) for name, label in ("ra", "sb")]
    await record(store, project, again(project, "audit", "b", HELD_OUT, decisions=raters, **evidence))
    (row,) = await audits.after(project, guideline_version=1)
    assert (row.label, row.rater_labels, row.machine_label) == ("a", ["a"], "b")
    assert (await audits.pairs(project)).pairs == 0
