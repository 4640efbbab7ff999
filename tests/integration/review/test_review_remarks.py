"""Flags and comments: who may say, list and resolve them, and who gets to read what."""

import time
from typing import Any

import httpx
import msgspec
import pytest

from .support import Review, close, item, requested, score
from .test_review_tasks import act, decide

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=\"alert('hit')\"> ' ; DROP TABLE flags; -- \u202e"


async def flags(review: Review, **query: Any) -> list[dict[str, Any]]:
    answer = await review.admin.get(f"/v1/projects/{review.project}/flags", params=query)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["flags"]
    return found


async def test_a_flag_leaves_the_task_in_hand_and_a_manager_answers_it(review: Review) -> None:
    await review.make_tasks(2)
    uma = await review.account("uma", "reviewer")
    task, _ = await review.claim(uma, 2)
    for text in ("first", HOSTILE):  # sent again for the same reason, it is one flag
        assert (await act(uma, task, "flag", reason="offensive", text=text)).status_code == 200
    assert (await act(uma, task, "flag", reason="duplicate")).status_code == 200
    assert (await act(uma, task, "heartbeat")).status_code == 200, "the task stays in hand"
    newest, oldest = await flags(review)
    assert (newest["reason"], newest["text"]) == ("duplicate", "")
    assert (oldest["reason"], oldest["text"], oldest["reviewer"]) == ("offensive", HOSTILE, "uma")
    assert (oldest["item_id"], oldest["excerpt"]) == ("i0", "what a day, number 0")
    path = f"/v1/projects/{review.project}/flags/{oldest['flag_id']}/resolve"
    resolved = await review.admin.post(path, json={"answer": "Thanks, it is gone."})
    assert resolved.status_code == 200
    assert [flag["reason"] for flag in await flags(review)] == ["duplicate"]
    assert {flag["answer"] for flag in await flags(review, state="all")} == {"", "Thanks, it is gone."}
    mine = (await uma.get("/v1/me/flags", params={"project": review.project})).json()["rows"]
    assert [(row["reason"], row["answer"]) for row in mine] == [
        ("duplicate", ""),
        ("offensive", "Thanks, it is gone."),
    ]
    again = "It is still there."
    assert (await act(uma, task, "flag", reason="offensive", text=again)).status_code == 200
    (anew,) = [flag for flag in await flags(review) if flag["reason"] == "offensive"]
    assert (anew["flag_id"], anew["text"], anew["answer"]) == (oldest["flag_id"], again, "")
    assert (anew["resolved_at"], anew["resolved_by"]) == (None, None)
    assert anew["at"] > oldest["at"]
    audit = (await review.admin.get("/v1/audit", params={"act": "flag.resolved"})).json()["entries"]
    assert (audit[0]["subject"], audit[0]["detail"]) == (str(oldest["flag_id"]), {"reason": "offensive"})
    assert "i0" not in str(audit[0]), "an item may have to be erased, and the log cannot be changed"
    await uma.aclose()


async def test_pages_of_flags_leave_none_out(review: Review) -> None:
    await review.make_tasks(5)
    una = await review.account("una", "reviewer")
    for task in await review.claim(una, 5):
        await act(una, task, "flag", reason="broken")
    path, found, before = f"/v1/projects/{review.project}/flags", [], 2**63 - 1
    while before is not None:
        page = (await review.admin.get(path, params={"before": before, "count": 2})).json()
        found += [flag["item_id"] for flag in page["flags"]]
        before = page["next"]
    assert found == ["i4", "i3", "i2", "i1", "i0"]
    await una.aclose()


async def test_only_who_has_or_decided_a_task_can_remark_on_it(review: Review) -> None:
    await review.make_tasks(1, needed=2)
    uwe, eve = await review.account("uwe", "reviewer"), await review.account("eve", "reviewer")
    (task,) = await review.claim(uwe)
    for what, body in [("flag", {"reason": "broken"}), ("comment", {"text": "hm"})]:
        refused = await act(eve, task, what, **body)
        assert (refused.status_code, refused.json()["error"]) == (409, "lease_lost"), what
        assert (await act(uwe, {**task, "lease": "1"}, what, **body)).status_code == 409
        assert (await act(uwe, {**task, "task_id": 10**12}, what, **body)).status_code == 404
    await decide(uwe, task)
    assert (await act(uwe, task, "flag", reason="broken")).status_code == 200, "it was sent before, in order"
    assert (
        await review.database.fetchval("SELECT count(*) FROM flags WHERE project = $1", review.project) == 1
    )
    await close([uwe, eve])


async def test_what_a_flag_and_a_comment_must_say(review: Review) -> None:
    await review.make_tasks(1)
    udo = await review.account("udo", "reviewer")
    (task,) = await review.claim(udo)
    wrong: list[tuple[str, dict[str, str]]] = [
        ("flag", {"reason": "boring"}),
        ("flag", {"reason": "other", "text": "  "}),
        ("flag", {"reason": "broken", "text": "x" * 2001}),
        ("comment", {"text": " \n"}),
        ("comment", {"text": "x" * 2001}),
        ("comment", {"text": "x", "audience": "everybody"}),
        ("comment", {"text": "a\0b"}),
    ]
    for what, body in wrong:
        assert (await act(udo, task, what, **body)).status_code == 422, (what, body)
    await udo.aclose()


async def test_comments_for_raters_reach_the_next_and_others_only_managers(review: Review) -> None:
    await review.make_tasks(1, needed=2)
    una, ute = await review.account("una", "reviewer"), await review.account("ute", "reviewer")
    (task,) = await review.claim(una)
    assert task["comments"] == []
    for _ in range(2):  # the answer to the first was lost
        await act(una, task, "comment", text=HOSTILE, audience="raters")
    await act(una, task, "comment", text="between us", audience="managers")
    await decide(una, task)
    (task,) = await review.claim(ute)
    assert [comment["text"] for comment in task["comments"]] == [HOSTILE]
    assert set(task["comments"][0]) == {"text", "at"}, "no names"
    listed = (await review.admin.get(f"/v1/projects/{review.project}/comments")).json()["comments"]
    assert [(one["text"], one["audience"], one["reviewer"]) for one in listed] == [
        ("between us", "managers", "una"),
        (HOSTILE, "raters", "una"),
    ]
    mine = await una.get("/v1/me/comments", params={"project": review.project})
    assert [row["text"] for row in mine.json()["rows"]] == ["between us", HOSTILE]
    theirs = await ute.get("/v1/me/comments", params={"project": review.project})
    assert theirs.json()["rows"] == []
    await close([una, ute])


async def test_no_comment_comes_along_with_a_blind_task(review: Review) -> None:
    one = item(review.project, 1)
    audit = requested(score(one, 0.97), reasons=["audit"], blind=True, decisions_needed=2)
    await review.send(one, audit)
    await review.until_tasks(1)
    vic, val = await review.account("vic", "reviewer"), await review.account("val", "reviewer")
    (task,) = await review.claim(vic)
    await act(vic, task, "comment", text="clearly sour", audience="raters")
    await decide(vic, task, "negative")
    (again,) = await review.claim(val)
    assert (again["blind"], again["comments"]) == (True, [])
    for path in ("decisions", "skips", "late", "flags", "comments"):
        answer = await val.get(f"/v1/me/{path}", params={"project": review.project})
        assert b"sour" not in answer.content
        assert b"0.97" not in answer.content
    await close([vic, val])


async def test_reviewers_neither_list_nor_resolve(review: Review) -> None:
    await review.make_tasks(1)
    vera = await review.account("vera", "reviewer")
    mara = await review.account("mara", "manager")
    (task,) = await review.claim(vera)
    await act(vera, task, "flag", reason="personal_data")
    (flag,) = await flags(review)
    base = f"/v1/projects/{review.project}"
    for path in ("flags", "comments"):
        assert (await vera.get(f"{base}/{path}")).status_code == 403
        assert (await mara.get(f"{base}/{path}")).status_code == 200
        assert (await mara.get(f"/v1/projects/absent/{path}")).status_code == 404
    resolve = f"{base}/flags/{flag['flag_id']}/resolve"
    assert (await vera.post(resolve, json={})).status_code == 403
    elsewhere = await mara.post(f"/v1/projects/absent/flags/{flag['flag_id']}/resolve", json={})
    assert (elsewhere.status_code, elsewhere.json()["error"]) == (404, "unknown_flag")
    assert (await mara.post(resolve, json={})).status_code == 200
    await close([vera, mara])


async def test_a_task_given_back_unseen_leaves_no_trace(review: Review) -> None:
    await review.make_tasks(1)
    wim, wes = await review.account("wim", "reviewer"), await review.account("wes", "reviewer")
    (task,) = await review.claim(wim)
    given: httpx.Response = await wim.post(
        f"/v1/tasks/{task['task_id']}/skip", json={"lease": task["lease"], "unseen": True}
    )
    assert given.json() == {"task_id": task["task_id"], "skipped": True}
    assert (await decide(wim, task)).status_code == 409
    (other,) = await review.claim(wes)
    assert other["task_id"] == task["task_id"], "others get it at once"
    await wes.post(f"/v1/tasks/{other['task_id']}/skip", json={"lease": other["lease"], "unseen": True})
    (again,) = await review.claim(wim)
    assert again["task_id"] == task["task_id"], "and so does who gave it back"
    for rows in (await mine(wim, review, "skips"), await mine(wes, review, "skips")):
        assert rows == []
    await close([wim, wes])


async def mine(client: httpx.AsyncClient, review: Review, what: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/me/{what}", params={"project": review.project, **query})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["rows"]
    return found


async def test_my_work_shows_all_of_mine_and_nothing_of_others(review: Review) -> None:
    await review.make_tasks(7)
    xia, xav = await review.account("xia", "reviewer"), await review.account("xav", "reviewer")
    tasks = await review.claim(xia, 5)
    for task in tasks[:4]:
        assert (await decide(xia, task, "negative")).status_code == 200
    await act(xia, tasks[4], "skip", reason=HOSTILE)
    (foreign,) = await review.claim(xav)
    await decide(xav, foreign)
    found, after = [], None
    while after is not None or not found:
        query = {"project": review.project, "count": 3} | ({"after": after} if after else {})
        page = (await xia.get("/v1/me/decisions", params=query)).json()
        found += page["rows"]
        after = page["next"]
    assert [row["item_id"] for row in found] == ["i3", "i2", "i1", "i0"]
    assert found[0]["label"] == "negative"
    assert found[0]["excerpt"] == "what a day, number 3"
    assert {"machine_label", "suggestion", "confidence"}.isdisjoint(found[0])
    (skip,) = await mine(xia, review, "skips")
    assert (skip["item_id"], skip["reason"]) == ("i4", HOSTILE)
    assert [row["item_id"] for row in await mine(xav, review, "decisions")] == [foreign["item_id"]]
    assert [row["item_id"] for row in await mine(xia, review, "decisions", item_id="i2")] == ["i2"]
    assert await mine(xia, review, "decisions", item_id=foreign["item_id"]) == []
    for wrong in ("x", "1-", "-1", "1" * 40 + "-1"):
        refused = await xia.get("/v1/me/decisions", params={"project": review.project, "after": wrong})
        assert refused.status_code == 422, wrong
    await close([xia, xav])


async def test_a_task_that_was_skipped_again_stands_where_it_was_skipped_last(review: Review) -> None:
    await review.make_tasks(1)
    yul = await review.account("yul", "reviewer")
    for _ in range(2):
        (task,) = await review.claim(yul)
        assert (await act(yul, task, "skip")).status_code == 200
        [last] = await mine(yul, review, "skips")
        await review.database.execute(
            "UPDATE skips SET until = now(), skipped_at = skipped_at - interval '1 hour' WHERE task_id = $1",
            task["task_id"],
        )
    [first] = await mine(yul, review, "skips")
    assert last["at"] - first["at"] == 3_600_000
    assert last["at"] / 1000 == pytest.approx(time.time(), abs=60)
    await yul.aclose()


async def test_my_work_says_what_can_still_be_taken_back(review: Review) -> None:
    await review.make_tasks(1, needed=2)
    await review.make_tasks(1, first=10)
    page = await review.sign_in("yan")
    tasks = {task["item_id"]: task for task in await review.claim(page, 2)}
    for task in tasks.values():
        await decide(page, task)
    rows = {row["item_id"]: row for row in await mine(page, review, "decisions")}
    assert rows["i0"]["undo_until"] == 0, "its task needs another decision"
    assert rows["i10"]["undo_until"] > rows["i10"]["at"]
    await review.let_go()
    await review.until_left()
    rows = {row["item_id"]: row for row in await mine(page, review, "decisions")}
    assert rows["i10"]["undo_until"] is None
    await page.aclose()


async def test_lists_tell_which_texts_distress(review: Review) -> None:
    await review.make_tasks(1)
    zac = await review.account("zac", "reviewer")
    (task,) = await review.claim(zac)
    await act(zac, task, "flag", reason="offensive")
    await decide(zac, task)
    found = [*await mine(zac, review, "flags"), *await mine(zac, review, "decisions"), *await flags(review)]
    assert [row["sensitive"] for row in found] == [False, False, False]
    await review.database.execute("UPDATE assignments SET pool = '!' WHERE task_id = $1", task["task_id"])
    found = [*await mine(zac, review, "flags"), *await mine(zac, review, "decisions"), *await flags(review)]
    assert [row["sensitive"] for row in found] == [True, True, True]
    await zac.aclose()


async def test_late_answers_are_found_again(review: Review) -> None:
    await review.make_tasks(1, needed=2)
    zoe = await review.account("zoe", "reviewer")
    (task,) = await review.claim(zoe)
    await review.database.execute(
        "UPDATE assignments SET lease_until = now() - interval '1 s' WHERE task_id = $1", task["task_id"]
    )
    assert (await decide(zoe, task, "negative")).status_code == 409
    (late,) = await mine(zoe, review, "late")
    assert (late["item_id"], late["label"]) == ("i0", "negative")
    assert b'"rows":[]' in msgspec.json.encode({"rows": await mine(zoe, review, "decisions")})
    await zoe.aclose()
