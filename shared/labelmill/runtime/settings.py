"""Environment variables that every service reads, as typed values."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """How to reach the broker."""

    model_config = SettingsConfigDict(extra="ignore")

    kafka_bootstrap_servers: str = "127.0.0.1:19092"
    """Brokers to begin with, `host:port`, separated by commas."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is protected."""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How to sign in, with a SASL protocol."""
    kafka_sasl_username: str = ""
    """Name to sign in with."""
    kafka_sasl_password: SecretStr = SecretStr("")
    """Password to sign in with."""
    kafka_ssl_cafile: str = ""
    """CA bundle in PEM; empty means the system's."""
    kafka_partitions: int = 8
    """Partitions of the item topics: the most processes of one service that can share the work."""
    kafka_replication_factor: int = 1
    """Copies of each topic that bootstrap makes: 3 on a cluster of three or more."""


class ServiceSettings(KafkaSettings):
    """What every service reads besides its own settings."""

    http_host: str = "127.0.0.1"
    """Address the service's HTTP side listens on; 0.0.0.0 in a container."""
    http_port: int = 0
    """Port of the service's HTTP side; 0 takes a free one."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe lines that are logged."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for a terminal."""
    shutdown_seconds: float = 10.0
    """Time a graceful stop may take."""
    stall_seconds: float = 120.0
    """Liveness fails when there is work and nothing has moved for this long."""
    kafka_session_seconds: float = 10.0
    """After so long without a sign of life a process's partitions go to others."""
    dlq_max_share: float = 0.5
    """Share of the recent records that may be dead letters before the consumer stops."""
    dlq_window: int = 200
    """How many recent records that share is taken over."""
    trace_share: float = 0.01
    """Share of traces that are recorded when OTEL_EXPORTER_OTLP_ENDPOINT is set."""
    otel_exporter_otlp_endpoint: str = ""
    """OTLP/HTTP endpoint that takes the traces; empty records none."""


class DatabaseSettings(BaseSettings):
    """How to reach the service's own schema, under its own role."""

    model_config = SettingsConfigDict(extra="ignore")

    database_url: SecretStr = SecretStr("postgresql://127.0.0.1:15432/labelmill")
    """DSN of the database, with the service's own role and password."""
    database_pool_size: int = 8
    """Most connections of one process."""
