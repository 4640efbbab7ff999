"""The audit log: what goes into it, who may read it, and that nothing goes out of it."""

import asyncpg
import pytest
from review_api.accounts.audit import record

from .support import PASSWORD, PROJECT, Review

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_administrative_acts_are_recorded_without_secrets(review: Review) -> None:
    client = await review.account("audited", "reviewer", password=PASSWORD)
    token_id = (await review.admin.get("/v1/accounts/audited/tokens")).json()["tokens"][0]["token_id"]
    await review.admin.delete(f"/v1/accounts/audited/tokens/{token_id}")
    changed = PROJECT.format(project=review.project) + "policy: {audit_rate: 0.5}\n"
    await review.admin.put(f"/v1/projects/{review.project}", content=changed)
    answer = (await review.admin.get("/v1/audit", params={"subject": "audited"})).raise_for_status()
    entries = answer.json()["entries"]
    assert [entry["act"] for entry in entries] == ["token.revoked", "token.made", "account.saved"]
    assert entries[2]["detail"] == {"roles": ["reviewer"], "created": True, "password_set": True}
    assert {entry["by"] for entry in entries} == {"admin"}
    assert PASSWORD not in answer.text
    assert client.headers["Authorization"].split()[1] not in answer.text
    applied = await review.admin.get("/v1/audit", params={"project": review.project})
    assert [entry["detail"]["version"] for entry in applied.json()["entries"]] == [2, 1]
    assert (await client.get("/v1/audit")).status_code == 401, "the token is revoked"
    await client.aclose()


async def test_the_log_is_read_page_by_page_by_admins_only(review: Review) -> None:
    for number in range(5):
        await record(review.database, "tester", "page.turned", str(number))
    first = (await review.admin.get("/v1/audit", params={"act": "page.turned", "count": 3})).json()
    assert [entry["subject"] for entry in first["entries"]] == ["4", "3", "2"]
    query = {"act": "page.turned", "count": 3, "before": first["next"]}
    second = (await review.admin.get("/v1/audit", params=query)).json()
    assert ([entry["subject"] for entry in second["entries"]], second["next"]) == (["1", "0"], None)
    async with await review.account("curious", "manager") as manager:
        assert (await manager.get("/v1/audit")).status_code == 403


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET by = 'somebody else'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log (entry_id, by, act, subject, detail) VALUES (1, '', '', '', '{}')",
    ],
)
async def test_the_service_cannot_change_the_log(review: Review, statement: str) -> None:
    written = "SELECT count(*) FROM audit_log WHERE project = $1"
    before = await review.database.fetchval(written, review.project)
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.GeneratedAlwaysError)):
        await review.database.execute(statement)
    assert await review.database.fetchval(written, review.project) == before > 0


async def test_an_entry_shares_the_fate_of_its_transaction(review: Review) -> None:
    async with review.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await record(connection, "tester", "act.undone", "nothing")
        await transaction.rollback()
    assert await review.database.fetchval("SELECT true FROM audit_log WHERE act = 'act.undone'") is None
    async with review.database.acquire() as connection:
        await connection.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_is_append_only")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM audit_log")
        await connection.execute("ALTER TABLE audit_log ENABLE TRIGGER audit_log_is_append_only")
