"""Preparing a deployment: topics in Kafka; a role and a schema per service in PostgreSQL. Safe to repeat."""

from collections.abc import Mapping, Sequence

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code
from aiokafka.protocol.api import Response

from labelmill.errors import BootstrapFailed
from labelmill.runtime.kafka import MAX_REQUEST_BYTES, MAX_TOPIC_BYTES, client_options
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import DAY_MS, TOPICS, Topic

SCHEMAS = {"autolabeler": "autolabeler", "review-api": "review", "trainer": "trainer"}
"""Service to schema; the role has the schema's name. The router keeps no tables."""

_ERASABLE = {"max.compaction.lag.ms": str(DAY_MS)}
"""A tombstone takes effect after a day, however little is written: segments are rolled by it too."""

DLQ_CONFIG = {
    "cleanup.policy": "compact,delete",
    "retention.ms": str(30 * DAY_MS),
    "min.compaction.lag.ms": str(7 * DAY_MS),
    "max.compaction.lag.ms": str(14 * DAY_MS),
}
"""Configuration of every DLQ: people need time to look. After that only an item's newest letter is kept."""


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics (and DLQs) that are missing and return their names."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        present = set(await admin.list_topics())
        missing = [topic for topic in _new_topics(settings) if topic.name not in present]
        if missing:
            check_created(await admin.create_topics(missing))
        await _make_erasable(admin, [topic for topic in _new_topics(settings) if topic.name in present])
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def _make_erasable(admin: AIOKafkaAdminClient, topics: Sequence[NewTopic]) -> None:
    """Have topics compacted that an earlier build made; what else somebody set of them stays as it is."""
    if not topics:
        return
    by_name = {topic.name: topic for topic in topics}
    described = await admin.describe_configs([_resource(name) for name in by_name])
    changes = []
    for _, _, _, name, entries in (each for response in described for each in response.resources):
        # Name, value, read-only, source: 1 is what was set for this topic alone.
        own = {entry[0]: entry[1] for entry in entries if entry[3] == 1}
        wanted = by_name[name].topic_configs
        if "compact" not in own.get("cleanup.policy", ""):
            changes.append(_resource(name, {**wanted, **own, "cleanup.policy": wanted["cleanup.policy"]}))
    if changes:
        await admin.alter_configs(changes)


def _resource(name: str, configs: dict[str, str] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, name, configs)


def check_created(response: Response) -> None:
    """Look at the answer for each topic: aiokafka raises nothing. Raises BootstrapFailed.

    A topic that another process made meanwhile is as good as one made here.
    """
    refused = []
    for name, code, *rest in response.topic_errors:
        if code not in (NoError.errno, TopicAlreadyExistsError.errno):
            detail = next((each for each in rest if each), None) or for_code(code).description
            refused.append(f"{name}: {for_code(code).__name__} ({detail})")
    if refused:
        raise BootstrapFailed("the broker did not make these topics: " + "; ".join(refused))


def _new_topics(settings: KafkaSettings) -> list[NewTopic]:
    found = []
    for topic in TOPICS:
        found.append(
            _new_topic(
                settings, topic.name, topic.partitions or settings.kafka_partitions, topic_config(topic)
            )
        )
        if topic.dlq:
            config = {**DLQ_CONFIG, "max.message.bytes": str(MAX_REQUEST_BYTES)}
            found.append(_new_topic(settings, topic.dlq, 1, config))
    return found


def topic_config(topic: Topic) -> dict[str, str]:
    """Return the topic's configuration in Kafka, as far as it differs from topic to topic."""
    if topic.compacted:
        return {"cleanup.policy": "compact", **_ERASABLE}
    return {"cleanup.policy": "compact,delete", "retention.ms": str(topic.retention_ms), **_ERASABLE}


def _new_topic(settings: KafkaSettings, name: str, partitions: int, config: dict[str, str]) -> NewTopic:
    return NewTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=settings.kafka_replication_factor,
        topic_configs={"max.message.bytes": str(MAX_TOPIC_BYTES), **config},
    )


async def create_roles(admin_dsn: str, passwords: Mapping[str, str]) -> None:
    """Create each service's role and schema. A role owns its schema and may use no other.

    `passwords` maps schema names to passwords; an existing role gets the new one.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        for schema, password in passwords.items():
            await _create_role(connection, schema, password)
    finally:
        await connection.close()


async def _create_role(connection: asyncpg.Connection, schema: str, password: str) -> None:
    role = await connection.fetchval("SELECT quote_ident($1)", schema)
    secret = await connection.fetchval("SELECT quote_literal($1)", password)
    exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", schema)
    verb = "ALTER" if exists else "CREATE"
    await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD {secret}")
    # A managed database's admin is no superuser: it must belong to a role to create things for it.
    await connection.execute(f"GRANT {role} TO CURRENT_USER")
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role}")
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}")
    await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
