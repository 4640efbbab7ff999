"""Erasing: nothing of an item is left in the ledger or comes back to it, and others are asked to follow."""

import asyncio
import json
from typing import Any

import pytest
from labelmill import ids
from labelmill.events import ErasureConfirmed, ErasureRequested, EventDecoder, ItemIngested, encode
from labelmill.runtime.erasing import is_tombstone
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import (
    ERASURES,
    ERASURES_CONFIRMED,
    ITEMS,
    LABELS_ACCEPTED,
    LABELS_SCORED,
    REVIEWS_DECIDED,
    REVIEWS_REQUESTED,
    item_key,
)
from review_api.rights import sql
from review_api.rights.store import SERVICES

from .support import Review, accepted, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKER = "zorblax"

EMPTIED_OTHERWISE = {"erasure_items", "outbox", "item_owners"}
"""Tables that `rights.sql` empties in a way of its own."""

KEPT = {"reveals"}
"""How much somebody had to see: it holds the number of a task, which leads nowhere once that is gone."""


async def found_in(review: Review, needle: str, like: str = "%") -> dict[str, int]:
    """Return how many rows of the schema hold `needle`, by table, whatever their columns; only of those
    `like` that."""
    tables = await review.database.fetch(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'review' AND table_type = 'BASE TABLE'"
    )
    found = {}
    for (table,) in tables:
        query = f"SELECT count(*) FROM {table} t WHERE t::text ILIKE $1 AND t::text LIKE $2"
        if count := await review.database.fetchval(query, f"%{needle}%", like):
            found[table] = count
    return found


async def ingested(review: Review, *lines: dict[str, Any]) -> list[ItemIngested]:
    answer = await review.ingest(b"\n".join(json.dumps(line).encode() for line in lines))
    assert answer.json()["accepted"] == len(lines), answer.text
    records = await review.read(ITEMS.name, len(lines))
    return [EventDecoder(ItemIngested).decode(record.value) for record in records]


async def erase(review: Review, **subject: Any) -> int:
    answer = await review.admin.post("/v1/erasures", json=subject)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["erasure_id"])


async def until_state(review: Review, erasure_id: int, state: str) -> dict[str, Any]:
    async def reached() -> dict[str, Any] | None:
        shown = (await review.admin.get(f"/v1/erasures/{erasure_id}")).raise_for_status().json()
        return shown if shown["state"] == state else None

    return await until(reached)


async def confirm(review: Review, erasure_id: int, *items: str) -> None:
    """Confirm as the other services do."""
    for service in SERVICES:
        event = ErasureConfirmed(
            project=review.project,
            erasure_id=erasure_id,
            service=service,
            items=[ids.item_hash(review.project, item) for item in items],
            removed={"things": 2},
        )
        await review.publisher.publish(
            ERASURES_CONFIRMED.name, [OutRecord(0, f"{review.project}/{service}".encode(), encode(event))]
        )


async def decided(review: Review, name: str) -> None:
    client = await review.account(name, "reviewer")
    (task,) = await review.claim(client)
    body = {"lease": task["lease"], "label": "negative"}
    (await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await client.aclose()


async def test_an_erased_item_is_nowhere_and_does_not_come_back(review: Review) -> None:
    item_id = f"{MARKER}-id"
    line = {"item_id": item_id, "content": f"a {MARKER} text", "owner": f"{MARKER}-owner"}
    (event,) = await ingested(review, line)
    route = requested(score(event, metadata=event.metadata))
    await review.publisher.publish(
        REVIEWS_REQUESTED.name, [OutRecord(0, item_key(review.project, item_id), encode(route))]
    )
    await review.until_tasks(1)
    await decided(review, "kim")
    await review.until_left()
    (record,) = await review.read(REVIEWS_DECIDED.name, 1)
    before = await review.status()
    await review.database.execute(
        "INSERT INTO gold_items (project, item_id, metadata, label, explanation, added_by)"
        " VALUES ($1, $2, '{}', '\"positive\"', $3, 'admin')",
        *(review.project, item_id, f"a {MARKER} is good"),
    )
    assert {"items", "tasks", "item_owners", "gold_items"} <= set(await found_in(review, MARKER))

    erasure = await erase(review, project=review.project, item_id=item_id)
    shown = await until_state(review, erasure, "confirming")
    assert shown["unconfirmed"] == 1
    assert shown["removed"]["review-api"] == {
        "item_owners": 1, "items": 1, "routes": 1, "tasks": 1, "decisions": 1, "final_labels": 1,
        "gold_items": 1,
    }  # fmt: skip
    (asked, *_) = await review.read(ERASURES.name, 1)
    asked_for = EventDecoder(ErasureRequested).decode(asked.value)
    assert (asked_for.item_id, asked_for.content_hash) == (item_id, event.content_hash)
    for topic in (ITEMS, LABELS_SCORED, LABELS_ACCEPTED, REVIEWS_REQUESTED, REVIEWS_DECIDED):
        for name in (topic.name, topic.dlq):
            assert any(map(is_tombstone, await review.read(str(name), 1))), f"no tombstone on {name}"
    assert record.key in {r.key for r in await review.read(REVIEWS_DECIDED.name, 2) if is_tombstone(r)}

    await confirm(review, erasure, item_id)
    shown = await until_state(review, erasure, "done")
    assert shown["removed"]["trainer"] == {"things": 2}
    assert await found_in(review, MARKER) == {}
    assert await found_in(review, event.content_hash) == {}
    after = await review.status()
    changed = {name: value for name, value in after.items() if value != before[name]}
    assert changed == {
        "items": 0, "requested": 0, "final_labels": 0, "items_erased": 1, "final_labels_erased": 1,
    }, "what was done stays, and names no item"  # fmt: skip

    # All of it comes again, as in a replay, and the client sends it again.
    await review.publisher.publish(
        ITEMS.name, [OutRecord(3, item_key(review.project, item_id), encode(event))]
    )
    await review.publisher.publish(
        REVIEWS_REQUESTED.name, [OutRecord(3, item_key(review.project, item_id), encode(route))]
    )
    late = await review.ingest(json.dumps({**line, "owner": "another"}).encode())
    assert late.json()["rejected"][0]["reason"] == "erased"

    async def refused() -> bool | None:
        over = [r for r in await review.read(REVIEWS_REQUESTED.name, 4) if r.partition == 3]
        return True if any(map(is_tombstone, over)) else None

    await until(refused)
    assert await found_in(review, MARKER) == {}
    assert not [r for r in await review.read("items.dlq", 1) if r.value]
    lineage = await review.admin.get(f"/v1/projects/{review.project}/items/{item_id}")
    assert lineage.status_code == 404
    again = await review.admin.post("/v1/erasures", json={"project": review.project, "item_id": item_id})
    assert again.json() == {"erasure_id": erasure, "items": {}}, "asked twice, it is the same"


async def test_what_an_erased_check_leaves_in_ones_own_work_is_what_a_task_leaves(review: Review) -> None:
    await review.make_tasks(1)
    ann = await review.account("erased-ann", "reviewer")
    (task,) = await review.claim(ann)
    body = {"lease": task["lease"], "label": "negative"}
    (await ann.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    await review.until_left()
    check = await review.database.fetchval(
        "WITH g AS ("
        " INSERT INTO gold_items (project, item_id, content, metadata, label, explanation, added_by)"
        " VALUES ($1, 'i77', 'a text', '{}', '\"positive\"', '', 'm') RETURNING gold_id)"
        " INSERT INTO gold_checks (task_id, gold_id, project, reviewer, purpose, pool, suggested, place,"
        " needed, fence, leased_at, lease_until, label, decided_at, undo_until, seconds, guideline_version)"
        " SELECT nextval('task_ids'), gold_id, $1, 'erased-ann', 'check', '', false, 1, 2, 78,"
        " now(), now(), '\"negative\"', now(), now() + interval '1 hour', 3, 1 FROM g RETURNING task_id",
        review.project,
    )
    await review.database.execute(
        "INSERT INTO edge_cases (project, item_id, task_id, guideline_version, raised_by, question, state,"
        " published_in) VALUES ($1, 'i77', $2, 1, 'erased-ann', 'why?', 'published', 4)",
        review.project, check,
    )  # fmt: skip
    (await review.admin.delete(f"/v1/projects/{review.project}/gold/i77")).raise_for_status()
    erasures = [await erase(review, project=review.project, item_id=name) for name in ("i0", "i77")]
    shown = [await until_state(review, erasure, "confirming") for erasure in erasures]
    assert [one["quoted"] for one in shown] == [[], [f"{review.project}, guideline 4"]]
    rows = (await ann.get(f"/v1/me/decisions?project={review.project}")).json()["rows"]
    same = ("item_id", "excerpt", "sensitive", "label", "undo_until")
    assert [[row[name] for name in same] for row in rows] == [["", "", False, None, None]] * 2
    line = {"item_id": "i77", "content": "a text", "label": "positive"}
    again = (await review.admin.put(f"/v1/projects/{review.project}/gold", json=[line])).json()
    assert (again["added"], again["refused"][0]["detail"]) == (0, "'i77' was erased, for good")
    acts = (await review.admin.get("/v1/audit", params={"act": "gold.retired"})).json()["entries"]
    assert "i77" not in str(acts), "the log cannot be changed"
    await ann.aclose()


async def test_an_owner_is_erased_and_others_stay(review: Review) -> None:
    lines = [
        {"item_id": f"i{number}", "content": f"text {number}", "owner": "olga" if number % 2 else "otto"}
        for number in range(450)
    ]
    events = await ingested(review, *lines)
    await review.send(*(accepted(score(event)) for event in events))
    await review.until("accepted", 450)
    await review.until("items", 450)
    dry = await review.admin.post("/v1/erasures", json={"owner": "olga", "dry_run": True})
    assert dry.json() == {"erasure_id": None, "items": {review.project: 225}}
    erasure = await erase(review, owner="olga", project=review.project)
    shown = await until_state(review, erasure, "confirming")
    assert shown["items"] == shown["unconfirmed"] == 225
    assert shown["removed"]["review-api"]["items"] == 225
    left = await review.admin.get(f"/v1/projects/{review.project}/labels?owners=1")
    owners = {json.loads(line)["provenance"]["owner"] for line in left.text.splitlines()}
    assert owners == {"otto"}
    await confirm(review, erasure, *(f"i{number}" for number in range(1, 450, 2)))
    await until_state(review, erasure, "done")
    assert await review.database.fetchval("SELECT owner FROM erasures WHERE erasure_id = $1", erasure) is None
    assert (await review.admin.post("/v1/erasures", json={"owner": "olga"})).status_code == 404


async def test_an_open_task_goes_with_its_item(review: Review) -> None:
    await review.make_tasks(2)
    client = await review.account("lea", "reviewer")
    (task,) = await review.claim(client)
    erasure = await erase(review, project=review.project, item_id=task["item_id"])
    await until_state(review, erasure, "confirming")
    body = {"lease": task["lease"], "label": "negative"}
    late = await client.post(f"/v1/tasks/{task['task_id']}/decision", json=body)
    assert late.status_code in {404, 409}
    await client.aclose()
    status = await review.status()
    shown = {name: status[name] for name in ("items", "requested", "withdrawn", "open_tasks", "leased_tasks")}
    assert shown == {"items": 1, "requested": 1, "withdrawn": 0, "open_tasks": 1, "leased_tasks": 0}


@pytest.mark.parametrize(
    ("subject", "status", "error"),
    [
        ({"item_id": "nothing"}, 404, "unknown_item"),
        ({"owner": "nobody"}, 404, "unknown_owner"),
        ({"item_id": "a", "owner": "b"}, 422, "invalid_request"),
    ],
)
async def test_what_is_not_there_is_told(
    review: Review, subject: dict[str, str], status: int, error: str
) -> None:
    answer = await review.admin.post("/v1/erasures", json={"project": review.project, **subject})
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_every_table_about_items_is_known_to_erasing(review: Review) -> None:
    """Who adds a table with an item or a task in it must say here what becomes of it."""
    rows = await review.database.fetch(
        "SELECT DISTINCT c.table_name FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'review' AND t.table_type = 'BASE TABLE'"
        " AND c.column_name IN ('item_id', 'task_id')"
    )
    known = {*sql.BY_TASK, *sql.BY_ITEM, *EMPTIED_OTHERWISE, *KEPT}
    missing = {row["table_name"] for row in rows} - known
    assert not missing, f"say in review_api/rights/sql.py how to erase {missing}"


async def test_erasing_and_writing_at_once_leaves_nothing(review: Review) -> None:
    """Items are erased while their routes are still coming."""
    lines = [
        {"item_id": f"i{number}", "content": f"{MARKER} {number}", "owner": "erased-eve"}
        for number in range(200)
    ]
    events = await ingested(review, *lines)
    await review.until("items", 200)
    writing = asyncio.create_task(review.send(*(accepted(score(event)) for event in events)))
    erasure = await erase(review, owner="erased-eve", project=review.project)
    await writing
    await until_state(review, erasure, "confirming")
    await confirm(review, erasure, *(f"i{number}" for number in range(200)))
    await until_state(review, erasure, "done")

    async def gone() -> bool | None:
        mine = f"%{review.project}%"
        return (
            True if not await found_in(review, '"i1', mine) and not await found_in(review, MARKER) else None
        )

    await until(gone)
    assert (
        await review.database.fetchval("SELECT count(*) FROM final_labels WHERE project = $1", review.project)
        == 0
    )
