"""Erasing an item from the vote cache: its answers alone."""

from autolabeler.erasing import ErasedItems
from autolabeler.pooling import payer_of
from autolabeler.store import Stored, pack
from autolabeler.voters import Answer
from labelmill.events import ErasureRequested
from labelmill.runtime.postgres import Database
from labelmill.runtime.settings import DatabaseSettings
from labelmill_local.postgres import Postgres
from pydantic import SecretStr


async def test_an_items_answers_go_and_others_stay(postgres: Postgres) -> None:
    url = SecretStr(await postgres.create_database("autolabeler_erasing"))
    database = Database(DatabaseSettings(database_url=url), "public", "autolabeler")
    await database.start()
    try:
        payers = [payer_of("tweets", item, "hash") for item in ("a", "a", "b")]
        answers = [pack(Stored(payer, Answer((0.9, 0.1), 10, 1))) for payer in payers]
        keys = [bytes([number]) for number in range(3)]
        await database.pool.execute(
            "INSERT INTO vote_cache (key, answer) SELECT * FROM unnest($1::bytea[], $2::bytea[])",
            keys,
            answers,
        )
        event = ErasureRequested(project="tweets", erasure_id=1, item_id="a", content_hash="hash")
        assert await ErasedItems(database).erase([event]) == {"vote_cache": 2}
        assert [row["key"] for row in await database.pool.fetch("SELECT key FROM vote_cache")] == [keys[2]]
    finally:
        await database.stop()
