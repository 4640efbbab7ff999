"""What the trainer says of a promise: kept for the dashboard, and waiting tasks that it covers are done."""

from typing import Any

import msgspec
import pytest
from labelmill import ids
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import AcceptancePublished, EventDecoder, QualityPublished, ReviewDecided, encode
from labelmill.quality import Quality
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import ACCEPTANCE, QUALITY, REVIEWS_DECIDED

from .support import PROJECT, Review, close, item, now_ms, requested, score, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RATE = 0.2


def acceptance(threshold: float, state: Any = "open", **fields: Any) -> Acceptance:
    return Acceptance(
        state=state,
        thresholds=[Threshold(release=1, confidence=threshold)],
        audit_rate=RATE,
        audits=400,
        audit_errors=1,
        audits_missing=0,
        error_bound=0.015,
        alarms=0,
        sentence="At most 2 of 100 accepted labels are wrong.",
        target_error=0.02,
        confidence=0.95,
        **fields,
    )


async def publish(review: Review, found: Acceptance) -> None:
    event = AcceptancePublished(project=review.project, acceptance=found, published_at=now_ms())
    await review.publisher.publish(ACCEPTANCE.name, [OutRecord(0, review.project.encode(), encode(event))])


async def make_promise(review: Review) -> None:
    """Have the project promise an error."""
    spec = PROJECT.format(project=review.project) + "policy: {target_error: 0.02}\n"
    (await review.admin.put(f"/v1/projects/{review.project}", content=spec)).raise_for_status()


async def make_waiting(review: Review, count: int, first: int = 0, **fields: Any) -> None:
    """Promise an error, and make blind tasks of release 1, one with each confidence from 0.5 to 1, as before
    any evidence."""
    await make_promise(review)
    events: list[Any] = []
    for number in range(count):
        one = item(review.project, first + number)
        scored = score(one, 0.5 + 0.5 * number / count, release=1, calibrated=True)
        cold: dict[str, Any] = {"reasons": ["cold_start"], "blind": True, "audit_rate": 1.0}
        events += [one, requested(scored, **{**cold, **fields})]
    await review.send(*events)
    await review.until_tasks(first + count)


def is_audited(review: Review, number: int) -> bool:
    return ids.uniform("labelmill", "audit", review.project, f"i{number}") < RATE


async def test_tasks_that_the_promise_covers_are_done_but_for_audits(review: Review) -> None:
    await make_waiting(review, 100)
    reviewer = await review.account("early", "reviewer")
    (taken,) = await review.claim(reviewer)

    await publish(review, acceptance(0.75))

    in_hand = int(taken["item_id"][1:])
    sure = {number for number in range(50, 100) if not is_audited(review, number)} - {in_hand}
    status = await review.until("withdrawn", len(sure))
    assert status["withdrawn"] == status["final_labels"] == len(sure)
    assert status["open_tasks"] == 100 - len(sure) - 1
    stats = (await review.admin.get(f"/v1/projects/{review.project}/stats")).json()
    assert sum(minute["withdrawn"] for minute in stats["minutes"]) == len(sure)
    rows = await review.database.fetch(
        "SELECT item_id, source, label FROM final_labels WHERE project = $1", review.project
    )
    assert {row["item_id"] for row in rows} == {f"i{number}" for number in sure}
    assert {(row["source"], row["label"]) for row in rows} == {("machine", '"positive"')}
    routes = await review.admin.get(f"/v1/projects/{review.project}/routes")
    recorded = [msgspec.json.decode(line) for line in routes.content.splitlines()]
    assert {line["item_id"] for line in recorded if line["withdrawn"]} == {f"i{number}" for number in sure}

    decision = {"lease": taken["lease"], "label": "negative"}
    answer = await reviewer.post(f"/v1/tasks/{taken['task_id']}/decision", json=decision)
    assert answer.json()["final"], "a task in somebody's hands stays theirs"

    await publish(review, acceptance(0.5))
    rest = {number for number in range(100) if not is_audited(review, number)} - {in_hand}
    assert (await review.until("withdrawn", len(rest)))["withdrawn"] == len(rest)
    await reviewer.aclose()


async def test_a_task_that_others_have_begun_is_theirs(review: Review) -> None:
    await make_waiting(review, 40, decisions_needed=2)
    people = [await review.account(f"pair{number}", "reviewer") for number in range(3)]
    (first,) = await review.claim(people[0])
    (second,) = await review.claim(people[1])
    assert second["task_id"] == first["task_id"]
    url = f"/v1/tasks/{first['task_id']}"
    decision = {"lease": second["lease"], "label": "negative"}
    (await people[1].post(f"{url}/decision", json=decision)).raise_for_status()
    (await people[0].post(f"{url}/skip", json={"lease": first["lease"]})).raise_for_status()

    await publish(review, acceptance(0.5))
    left = {f"i{number}" for number in range(40) if is_audited(review, number)} | {first["item_id"]}
    await review.until("withdrawn", 40 - len(left))
    tasks = {task["item_id"]: task for task in await review.claim(people[2], 100)}
    assert set(tasks) == left
    last = {"lease": tasks[first["item_id"]]["lease"], "label": "negative"}
    assert (await people[2].post(f"{url}/decision", json=last)).json()["final"]
    await close(people)


async def test_an_answer_to_a_task_that_was_withdrawn_is_refused(review: Review) -> None:
    await make_waiting(review, 1, decisions_needed=2)
    reviewer = await review.account("away", "reviewer")
    (task,) = await review.claim(reviewer)
    url = f"/v1/tasks/{task['task_id']}"
    (await reviewer.post(f"{url}/skip", json={"lease": task["lease"]})).raise_for_status()
    await publish(review, msgspec.structs.replace(acceptance(0.5), audit_rate=0.0))
    await review.until("withdrawn", 1)
    answer = await reviewer.post(f"{url}/decision", json={"lease": task["lease"], "label": "negative"})
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown_task")
    await reviewer.aclose()


async def test_an_alarm_and_other_reasons_leave_tasks_to_people(review: Review) -> None:
    await make_waiting(review, 20)
    await make_waiting(review, 20, first=20, reasons=["disagreement", "cold_start"])
    await publish(review, acceptance(0.5, state="alarm"))

    async def alarmed() -> bool | None:
        answer = await review.admin.get(f"/v1/projects/{review.project}/promise")
        found = answer.raise_for_status().json()["acceptance"]
        return True if found and found["state"] == "alarm" else None

    await until(alarmed)
    await publish(review, msgspec.structs.replace(acceptance(0.9), audit_rate=0.0))
    status = await review.until("withdrawn", 4)
    assert (status["withdrawn"], status["open_tasks"]) == (4, 36)


async def test_a_decision_takes_along_what_the_promise_needs(review: Review) -> None:
    await make_waiting(review, 1)
    reviewer = await review.account("auditor", "reviewer")
    (task,) = await review.claim(reviewer)
    assert (task["suggestion"], task["reasons"], task["blind"]) == (None, [], True)
    decision = {"lease": task["lease"], "label": "negative"}
    (await reviewer.post(f"/v1/tasks/{task['task_id']}/decision", json=decision)).raise_for_status()
    (record,) = await review.read(REVIEWS_DECIDED.name, 1)
    event = EventDecoder(ReviewDecided).decode(record.value)
    assert (event.audit_rate, event.blind, [vote.voter for vote in event.votes]) == (1.0, True, ["llm"])
    await reviewer.aclose()


async def test_quality_is_shown_to_managers_alone(review: Review) -> None:
    quality = Quality(release=1, decisions=300, accuracy=0.9, calibration_error=0.02)
    event = QualityPublished(project=review.project, quality=quality, published_at=now_ms())
    await review.publisher.publish(QUALITY.name, [OutRecord(0, review.project.encode(), encode(event))])
    url = f"/v1/projects/{review.project}/promise"

    async def shown() -> dict[str, Any] | None:
        found: dict[str, Any] = (await review.admin.get(url)).raise_for_status().json()
        return found if found["quality"] else None

    found = await until(shown)
    assert found["acceptance"] is None
    assert found["quality"]["calibration_error"] == 0.02
    reviewer = await review.account("curious", "reviewer")
    assert (await reviewer.get(url)).status_code == 403
    await reviewer.aclose()
