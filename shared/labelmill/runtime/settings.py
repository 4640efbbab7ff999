"""Environment variables that every service reads, as typed values."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """How to reach the broker."""

    model_config = SettingsConfigDict(extra="ignore")

    kafka_bootstrap_servers: str = "127.0.0.1:19092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ssl_cafile: str = ""
    """CA bundle in PEM; empty means the system's."""
    kafka_partitions: int = 8
    """Partitions of the item topics: the most processes of one service that can share the work."""
    kafka_replication_factor: int = 1


class ServiceSettings(KafkaSettings):
    """What every service reads besides its own settings."""

    http_host: str = "127.0.0.1"
    http_port: int = 0
    """Port of the service's HTTP side; 0 takes a free one."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    shutdown_seconds: float = 10.0
    """Time a graceful stop may take."""
    stall_seconds: float = 120.0
    """Liveness fails when there is work and nothing has moved for this long."""
    dlq_max_share: float = 0.5
    """Share of the recent records that may be dead letters before the consumer stops."""
    dlq_window: int = 200
    """How many recent records that share is taken over."""
    trace_share: float = 0.01
    """Share of traces that are recorded when OTEL_EXPORTER_OTLP_ENDPOINT is set."""
    otel_exporter_otlp_endpoint: str = ""


class DatabaseSettings(BaseSettings):
    """How to reach the service's own schema, under its own role."""

    model_config = SettingsConfigDict(extra="ignore")

    database_url: SecretStr = SecretStr("postgresql://127.0.0.1:15432/labelmill")
    database_pool_size: int = 8
