"""Kafka and PostgreSQL for real: they start, serve, survive kills and keep their data."""

import stat
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from labelmill_local import kafka as kafka_module
from labelmill_local.errors import StackError
from labelmill_local.kafka import Kafka
from labelmill_local.ports import accepts
from labelmill_local.postgres import Postgres

pytestmark = pytest.mark.slow


async def create_topic(kafka: Kafka, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()


async def produce(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    options = {"enable_idempotence": True, "max_request_size": 4_000_000}
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, **options) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def consume(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap_servers, group_id="g", auto_offset_reset="earliest"
    )
    async with consumer:
        records = [await consumer.getone() for _ in range(count)]
        await consumer.commit()
    return [record.value for record in records if record.value is not None]


async def test_kafka_serves_and_keeps_records_over_restart_and_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = Kafka(tmp_path)
    await kafka.start()
    try:
        await create_topic(kafka, "t")
        large = b"x" * 3_000_000
        await produce(kafka, "t", [b"one", large])
        assert await consume(kafka, "t", 2) == [b"one", large]
        await kafka.restart()
        await produce(kafka, "t", [b"two"])
        await kafka.kill()
        assert not kafka.running
        await kafka.start()
        assert await consume(kafka, "t", 1) == [b"two"]
        with pytest.raises(StackError, match="the broker needs it"):
            await Kafka(tmp_path / "other", port=kafka.port).start()
        monkeypatch.setattr(kafka_module, "_OLD_BROKER_DEADLINE_S", 0.2)
        with pytest.raises(StackError, match="another Kafka runs on"):
            await Kafka(tmp_path).start()
    finally:
        await kafka.stop()
    assert not await accepts(kafka.port)


async def test_postgres_serves_and_keeps_rows_over_restart_and_kill(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path)
    await postgres.start()
    try:
        await execute(postgres.admin_dsn, "CREATE TABLE t (a int)")
        await execute(postgres.admin_dsn, "INSERT INTO t VALUES (1)")
        await postgres.restart()
        await execute(postgres.admin_dsn, "INSERT INTO t VALUES (2)")
        await postgres.kill()
        assert not postgres.running
        await postgres.start()
        assert await execute(postgres.admin_dsn, "SELECT sum(a) FROM t") == 3
        with pytest.raises(StackError, match="the database needs it"):
            await Postgres(tmp_path / "other", port=postgres.port).start()
    finally:
        await postgres.stop()
    assert not await accepts(postgres.port)


async def test_postgres_wants_the_password_and_keeps_it_private(postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.admin_dsn.replace(":", ":wrong", 2).replace(":wrong//", "://", 1))
    assert await execute(postgres.admin_dsn, "SHOW synchronous_commit") == "on"
    password = postgres.log_file.with_name("admin-password")
    assert stat.S_IMODE(password.stat().st_mode) == 0o600


async def test_a_test_gets_a_database_of_its_own(postgres: Postgres) -> None:
    dsn = await postgres.create_database("its-own")
    assert await execute(dsn, "SELECT current_database()") == "its-own"
    assert await postgres.create_database("its-own") == dsn


async def execute(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()
