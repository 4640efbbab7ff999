"""Connections to Kafka: options for aiokafka clients and the FastStream broker."""

import logging
import ssl
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from labelmill.runtime.settings import KafkaSettings

_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Longest record that is published: the longest that a topic takes, buried with its dead letter's headers."""

MAX_TOPIC_BYTES = 3 * 1024 * 1024
"""Longest record that a topic takes. A DLQ takes MAX_REQUEST_BYTES: whatever was read can be buried."""


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the connection options that every aiokafka client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if "SSL" in settings.kafka_security_protocol:
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return options


def producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """Return an idempotent producer that waits for all replicas; start it before use."""
    return AIOKafkaProducer(
        **client_options(settings),
        enable_idempotence=True,
        acks="all",
        linger_ms=5,
        max_batch_size=1024 * 1024,
        max_request_size=MAX_REQUEST_BYTES,
    )


def reader(settings: KafkaSettings, *topics: str) -> AIOKafkaConsumer:
    """Return a consumer without a group that reads `topics` from the beginning and commits nothing."""
    return AIOKafkaConsumer(
        *topics,
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )


def broker(settings: KafkaSettings) -> KafkaBroker:
    """Return the FastStream broker; subscriptions are added before it is started."""
    return KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        security=_security(settings),
        allow_auto_create_topics=False,
        graceful_timeout=5.0,
        logger=logging.getLogger("faststream"),
        log_level=logging.DEBUG,
        apply_types=False,
    )


def _security(settings: KafkaSettings) -> BaseSecurity | None:
    context = _ssl_context(settings) if "SSL" in settings.kafka_security_protocol else None
    if settings.kafka_security_protocol.startswith("SASL"):
        return _SASL[settings.kafka_sasl_mechanism](
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            ssl_context=context,
            use_ssl=context is not None,
        )
    return BaseSecurity(ssl_context=context, use_ssl=True) if context else None


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.kafka_ssl_cafile or None)
