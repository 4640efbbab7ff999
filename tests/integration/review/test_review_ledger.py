"""The ledger: what Kafka tells is written once, however often it is told."""

import hashlib

import msgspec
import pytest
from labelmill.events import EventDecoder, ItemIngested, Vote, encode
from labelmill.runtime.postgres import Database
from labelmill.topics import ITEMS, LABELS_ACCEPTED, REVIEWS_REQUESTED
from review_api.ledger.figures import Figures
from review_api.minutes import FIGURES

from .support import Review, accepted, item, requested, score

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TABLES = ("items", "routes", "final_labels", "tasks", "assignments")


async def rows(review: Review) -> dict[str, list[str]]:
    """Everything that the ledger holds of the project, but for the time of counting."""
    found = {}
    for table in _TABLES:
        query = f"SELECT t::text FROM {table} t WHERE project = $1 ORDER BY 1"
        found[table] = [row[0] for row in await review.database.fetch(query, review.project)]
    return found


async def states(review: Review) -> list[str]:
    """Return the states of the project's assignments, by slot."""
    query = "SELECT state FROM assignments WHERE project = $1 ORDER BY task_id, slot"
    return [row["state"] for row in await review.database.fetch(query, review.project)]


async def test_what_is_told_twice_is_written_once(review: Review) -> None:
    items = [item(review.project, number) for number in range(60)]
    scores = [score(one) for one in items]
    routes = [
        *(accepted(scored) for scored in scores[:40]),
        *(requested(scored, decisions_needed=2) for scored in scores[40:]),
    ]
    await review.send(*items, *routes)
    await review.until_tasks(20)
    await review.until("items", 60)
    status = await review.until("accepted", 40)
    first = await rows(review)
    assert {table: len(found) for table, found in first.items()} == {
        "items": 60,
        "routes": 60,
        "final_labels": 40,
        "tasks": 20,
        "assignments": 40,
    }
    assert status["final_labels"] == 40
    assert status["open_tasks"] == 20
    assert status["llm_calls"] == 120, "the voter asks its model twice for a vote"
    assert status["input_tokens"] == 6000
    assert status["cost_usd"] == pytest.approx(0.06)

    await review.send(*items, *routes)
    more = [item(review.project, number) for number in range(60, 70)]
    await review.send(*routes[::-1], *items[:10], *more, *(accepted(score(one)) for one in more), *more)
    await review.until("accepted", 50)
    status = await review.until("items", 70)
    assert (status["items"], status["accepted"], status["requested"]) == (70, 50, 20)
    assert status["llm_calls"] == 140
    again = await rows(review)
    assert set(first["routes"]) < set(again["routes"])
    assert len(again["routes"]) == 70
    assert again["tasks"] == first["tasks"]


async def test_what_contradicts_the_ledger_is_a_dead_letter(review: Review) -> None:
    one, other = item(review.project, 1), item(review.project, 1, "something else")
    two, no = item(review.project, 2), item(review.project, 2, "no")
    await review.send(one, accepted(score(one)))
    await review.until("accepted", 1)
    await review.send(other, requested(score(other)), two, no)
    letters = await review.letters(ITEMS.name, 2)
    assert [reason for reason, _ in letters] == ["conflicting_duplicate"] * 2
    assert {letter.value for _, letter in letters} == {encode(other), encode(no)}
    assert [r for r, _ in await review.letters(REVIEWS_REQUESTED.name, 1)] == ["conflicting_duplicate"]
    status = await review.status()
    assert (status["items"], status["accepted"], status["requested"]) == (2, 1, 0)


async def test_an_item_that_contradicts_its_route_is_a_dead_letter_too(review: Review) -> None:
    one, two = item(review.project, 1), item(review.project, 2)
    await review.send(requested(score(one)), accepted(score(two)))
    await review.until("requested", 1)
    await review.until("accepted", 1)
    await review.send(item(review.project, 1, "something else"))
    assert [reason for reason, _ in await review.letters(ITEMS.name, 1)] == ["conflicting_duplicate"]
    await review.send(item(review.project, 2, "something else"), one, two, item(review.project, 3))
    assert [reason for reason, _ in await review.letters(ITEMS.name, 2)] == ["conflicting_duplicate"] * 2
    await review.until("items", 3)
    stored = await review.database.fetch(
        "SELECT item_id, content FROM items WHERE project = $1 ORDER BY item_id", review.project
    )
    assert [row["content"] for row in stored[:2]] == [one.content, two.content]


async def test_what_waits_for_people_is_counted_by_project(review: Review, database: Database) -> None:
    await review.make_tasks(3)
    figures = Figures(database)
    assert (await figures.waiting_tasks())[review.project] == 3
    reviewer = await review.account("counting", "reviewer")
    (task,) = await review.claim(reviewer)
    body = {"lease": task["lease"], "label": "negative"}
    (await reviewer.post(f"/v1/tasks/{task['task_id']}/decision", json=body)).raise_for_status()
    assert (await figures.waiting_tasks())[review.project] == 2
    await reviewer.aclose()


async def test_a_route_may_come_before_its_item(review: Review) -> None:
    one = item(review.project, 1)
    await review.send(requested(score(one), decisions_needed=2))
    await review.until("requested", 1)
    reviewer = await review.account("early", "reviewer")
    assert await review.claim(reviewer) == [], "there is nothing to show yet"
    assert await states(review) == ["waiting", "waiting"], "and no claim steps over it"
    await review.send(one)
    await review.until("items", 1)
    assert await states(review) == ["open", "waiting"]
    assert [task["item_id"] for task in await review.claim(reviewer)] == ["i1"]
    assert await states(review) == ["leased", "open"]
    await reviewer.aclose()


async def test_bad_records_go_to_the_dlq_and_the_rest_goes_on(review: Review) -> None:
    project = review.project
    good = [item(project, number) for number in range(40)]
    document = msgspec.json.decode(encode(accepted(score(good[0]))))
    bad_votes = {**document, "score": {**document["score"], "votes": "none"}}
    huge = {**document, "item_id": "huge", "score": {**document["score"], "scored_at": 2**70}}
    nul = accepted(
        score(good[1], votes=[Vote(voter="a\0", version="1", source="x", label="p", confidence=1)])
    )
    await review.send(
        *good,
        (ITEMS.name, 0, b"{"),
        (ITEMS.name, 0, b"\xff\xfe"),
        *(accepted(score(one)) for one in good[2:]),
        accepted(score(good[0], label="sideways")),
        accepted(score(item("nowhere", 1))),
        accepted(score(good[0]), project_version=7),
        requested(score(good[1]), decisions_needed=10),
        (LABELS_ACCEPTED.name, 0, msgspec.json.encode(bad_votes)),
        (LABELS_ACCEPTED.name, 0, msgspec.json.encode(huge)),
        nul,
    )
    await review.until("accepted", 38)
    await review.until("items", 40)
    reasons = sorted(reason for reason, _ in await review.letters(LABELS_ACCEPTED.name, 5))
    assert reasons == [
        "invalid_event",
        "refused_by_database",
        "refused_by_database",
        "unknown_label",
        "unknown_project",
    ]
    assert sorted(r for r, _ in await review.letters(ITEMS.name, 2)) == ["invalid_utf8", "malformed_json"]
    assert [r for r, _ in await review.letters(REVIEWS_REQUESTED.name, 1)] == ["invalid_event"]
    status = await review.status()
    assert (status["items"], status["accepted"], status["final_labels"]) == (40, 38, 38)


async def test_the_lineage_tells_everything(review: Review) -> None:
    one = item(review.project, 1)
    await review.send(one, requested(score(one, 0.6)))
    await review.until_tasks(1)
    reviewer = await review.account("lineage", "reviewer")
    (task,) = await review.claim(reviewer)
    decision = {"lease": task["lease"], "label": "negative"}
    (await reviewer.post(f"/v1/tasks/{task['task_id']}/decision", json=decision)).raise_for_status()
    answer = await review.admin.get(f"/v1/projects/{review.project}/items/i1")
    lineage = answer.json()
    assert lineage["item"]["content"] == one.content
    assert lineage["item"]["content_hash"] == one.content_hash
    assert [route["outcome"] for route in lineage["routes"]] == ["requested"]
    assert lineage["routes"][0]["label"] == "positive"
    assert [(vote["voter"], vote["cost_usd"]) for vote in lineage["votes"]] == [("llm", 0.001)]
    assert [(task["decided"], task["label"]) for task in lineage["tasks"]] == [(1, "negative")]
    assert [(d["reviewer"], d["label"]) for d in lineage["decisions"]] == [("lineage", "negative")]
    assert (lineage["final_label"]["source"], lineage["final_label"]["label"]) == ("people", "negative")
    assert (await review.admin.get(f"/v1/projects/{review.project}/items/i2")).status_code == 404
    await reviewer.aclose()


async def test_the_export_has_every_final_label_once(review: Review) -> None:
    items = [item(review.project, number) for number in range(4500)]
    await review.send(*items, *(accepted(score(one)) for one in items))
    await review.until("accepted", 4500)
    await review.until("items", 4500)
    answer = await review.admin.get(f"/v1/projects/{review.project}/labels?content=1")
    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert sorted(line["item_id"] for line in lines) == sorted(one.item_id for one in items)
    sample = next(line for line in lines if line["item_id"] == "i17")
    assert sample["label"] == "positive"
    assert sample["source"] == "machine"
    assert sample["content"] == items[17].content
    answer = await review.admin.get(f"/v1/projects/{review.project}/labels")
    assert "content" not in msgspec.json.decode(answer.content.splitlines()[0])


async def test_the_export_says_where_items_come_from_and_ends_with_its_manifest(review: Review) -> None:
    lines = [
        {"item_id": "i1", "content": "one", "owner": "ann", "licence": "CC0-1.0", "source": "app"},
        {"item_id": "i2", "content": "two", "owner": "ann", "metadata": {"lang": "en"}},
        {"item_id": "i3", "content": "three"},
    ]
    answer = await review.ingest(b"\n".join(msgspec.json.encode(line) for line in lines))
    assert answer.json()["accepted"] == 3
    records = await review.read(ITEMS.name, 3)
    events = [EventDecoder(ItemIngested).decode(record.value) for record in records]
    await review.send(*(accepted(score(event)) for event in events))
    await review.until("final_labels", 3)
    await review.until("items", 3)

    body = (await review.admin.get(f"/v1/projects/{review.project}/labels?content=1&manifest=1")).content
    *labels, last = body.splitlines(keepends=True)
    rows = {row["item_id"]: row for row in map(msgspec.json.decode, labels)}
    assert rows["i1"]["provenance"]["licence"] == "CC0-1.0"
    assert rows["i1"]["provenance"]["owner"] == rows["i2"]["provenance"]["owner"] != "ann"
    assert rows["i2"]["metadata"] == {"lang": "en"}
    assert "provenance" not in rows["i3"]
    manifest = msgspec.json.decode(last)["manifest"]
    assert (manifest["rows"], manifest["owners"]) == (3, 1)
    assert manifest["by_licence"] == {"": 2, "CC0-1.0": 1}
    assert manifest["sha256"] == hashlib.sha256(b"".join(labels)).hexdigest()
    assert (manifest["project"], manifest["project_version"]) == (review.project, 1)

    named = await review.admin.get(f"/v1/projects/{review.project}/labels?owners=1")
    assert [
        row.get("provenance", {}).get("owner") for row in map(msgspec.json.decode, named.content.splitlines())
    ] == [
        "ann",
        "ann",
        None,
    ]
    lineage = (await review.admin.get(f"/v1/projects/{review.project}/items/i1")).json()
    assert lineage["item"]["provenance"] == {"owner": "ann", "licence": "CC0-1.0", "source": "app"}


async def test_old_minutes_are_summed_up_by_day(review: Review, database: Database) -> None:
    day = 86_400_000
    now = item(review.project, 0).ingested_at
    long_ago = now - now % day - 20 * day
    minutes = [long_ago, long_ago + 60_000, long_ago + 120_000, now - now % 60_000]
    columns = await review.database.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'minute_stats'"
        " AND table_schema = current_schema() AND column_name NOT IN ('project', 'minute')"
    )
    counted = {row["column_name"]: 10 + place for place, row in enumerate(columns)}
    assert counted.keys() == set(FIGURES), "a figure that is not named there would be lost after some days"
    for minute in minutes:
        await review.database.execute(
            f"INSERT INTO minute_stats (project, minute, {', '.join(counted)})"
            f" VALUES ($1, $2, {', '.join(map(str, counted.values()))})",
            review.project,
            minute,
        )
    for _ in range(2):
        await Figures(database).fold()
        rows = await review.database.fetch(
            "SELECT * FROM minute_stats WHERE project = $1 ORDER BY minute", review.project
        )
        assert [row["minute"] for row in rows] == [long_ago, minutes[-1]]
        assert [{name: row[name] for name in counted} for row in rows] == [
            {name: 3 * value for name, value in counted.items()},
            counted,
        ]
