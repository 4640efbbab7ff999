"""Environment variables of the local stack, as typed values."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from labelmill_local.ports import free_port
from labelmill_local.state import default_folder

Port = Annotated[int, Field(ge=0, le=65535)]


class StackSettings(BaseSettings):
    """What runs where. A part whose address is given is the user's own: not started, not stopped."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, env_ignore_empty=True)

    home: Path = Field(default_factory=default_folder, validation_alias="LABELMILL_HOME")
    """Folder of everything that lasts: the broker's and the database's data, logs, secrets."""
    kafka_bootstrap_servers: str = Field(default="", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    """Your own broker (with the other KAFKA_* settings); empty starts one."""
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias="DATABASE_URL")
    """Your own PostgreSQL, as a role that may create roles and schemas; empty starts one."""
    openai_base_url: str = Field(default="", validation_alias="OPENAI_BASE_URL")
    """Your own LLM server, ending in /v1 (with OPENAI_API_KEY); empty starts a small one."""
    java: str = Field(default="bundled", pattern="^(bundled|own)$", validation_alias="LABELMILL_JAVA")
    """`bundled`, or `own` for the Java (17 or newer) of JAVA_HOME or the PATH."""
    kafka_port: Port = Field(default=19092, validation_alias="LABELMILL_KAFKA_PORT")
    """Port of the local broker; 0 takes a free one."""
    kafka_heap_mb: int = Field(default=512, ge=256, validation_alias="LABELMILL_KAFKA_HEAP_MB")
    """Most heap of the local broker, in MiB."""
    postgres_port: Port = Field(default=15432, validation_alias="LABELMILL_POSTGRES_PORT")
    """Port of the local database; 0 takes a free one."""
    llm_port: Port = Field(default=18090, validation_alias="LABELMILL_LLM_PORT")
    """Port of the local LLM server; 0 takes a free one."""
    review_api_port: Port = Field(default=18080, validation_alias="LABELMILL_REVIEW_API_PORT")
    """Port of the web page and the API; 0 takes a free one."""
    autolabeler_port: Port = Field(default=18081, validation_alias="LABELMILL_AUTOLABELER_PORT")
    """Port of the autolabeler's metrics and health; 0 takes a free one."""
    router_port: Port = Field(default=18082, validation_alias="LABELMILL_ROUTER_PORT")
    """Port of the router's metrics and health; 0 takes a free one."""
    trainer_port: Port = Field(default=18083, validation_alias="LABELMILL_TRAINER_PORT")
    """Port of the trainer's metrics, health and API; 0 takes a free one."""

    def with_free_ports(self) -> "StackSettings":
        """A copy in which every port 0 is replaced by one that is free now."""
        chosen = {name: getattr(self, name) for name in PORTS}
        for name in PORTS:
            chosen[name] = chosen[name] or free_port(but=chosen.values())
        return self.model_copy(update=chosen)


PORTS = {
    "kafka_port": "the broker",
    "postgres_port": "the database",
    "llm_port": "the LLM server",
    "review_api_port": "review-api",
    "autolabeler_port": "the autolabeler",
    "router_port": "the router",
    "trainer_port": "the trainer",
}
"""Setting to the part that listens there; its environment variable is LABELMILL_ and the name in capitals."""
