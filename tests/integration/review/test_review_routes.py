"""The routes of a project, streamed with what people decided, for trying another policy on them."""

import msgspec
import pytest
from labelmill.events import Event

from .support import Review, accepted, close, item, requested, score
from .test_review_rereviews import decide, doubt, rereviews, settle, suspect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_routes_are_told_with_what_a_policy_looks_at_and_what_people_decided(review: Review) -> None:
    sure, unsure = item(review.project, 1), item(review.project, 2)
    events: list[Event] = [sure, unsure]
    events.append(accepted(score(sure, 0.9, calibrated=True, release=3, over_budget=True), propensity=0.02))
    drawn = score(unsure, 0.6, suspicious=True)
    events.append(requested(drawn, reasons=["audit"], blind=True, audit_rate=0.1, propensity=0.1))
    await review.send(*events)
    await review.until_tasks(1)
    await review.until("accepted", 1)
    await review.until("items", 2)

    async def lines() -> list[dict[str, object]]:
        answer = await review.admin.get(f"/v1/projects/{review.project}/routes")
        assert answer.raise_for_status().headers["content-type"] == "application/x-ndjson"
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    first, second = await lines()
    assert (first["item_id"], first["outcome"], first["release"]) == ("i1", "accepted", 3)
    assert (first["calibrated"], first["over_budget"], first["suspicious"]) == (True, True, False)
    assert first["votes"] == [{"voter": "llm", "label": "positive"}]
    assert (first["propensity"], first["cost_usd"], first["metadata"]) == (0.02, 0.001, {})
    assert (second["outcome"], second["blind"], second["audit_rate"]) == ("requested", True, 0.1)
    assert (second["decided_label"], second["decisions"], second["suspicious"]) == (None, 0, True)
    assert (first["withdrawn"], second["withdrawn"]) == (False, False)

    reviewer = await review.account("auditor", "reviewer")
    (task,) = await review.claim(reviewer)
    decision = {"lease": task["lease"], "label": "negative"}
    (await reviewer.post(f"/v1/tasks/{task['task_id']}/decision", json=decision)).raise_for_status()
    second = (await lines())[1]
    assert (second["label"], second["decided_label"], second["decisions"]) == ("positive", "negative", 1)
    assert second["decided_at"]

    refused = await reviewer.get(f"/v1/projects/{review.project}/routes")
    assert refused.status_code == 403
    assert (await review.admin.get("/v1/projects/nowhere/routes")).status_code == 404
    await reviewer.aclose()


async def test_what_people_said_first_stays_when_they_decide_again(review: Review) -> None:
    await review.make_tasks(1)
    people = [await review.account(f"first{n}", "reviewer") for n in range(3)]
    await settle(review, people[0], 1)
    await doubt(review, suspect(0))
    await rereviews(review, waiting=1)
    for other in people[1:]:
        (task,) = await review.claim(other)
        await decide(other, task, "positive")
    await rereviews(review, changed=1)
    answer = await review.admin.get(f"/v1/projects/{review.project}/routes")
    line = msgspec.json.decode(answer.content)
    assert (line["decided_label"], line["decisions"]) == ("negative", 3)
    await close(people)
