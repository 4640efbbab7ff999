"""Where labelmill runs and how to sign in: from the environment, or from what a local `up` wrote down."""

import os
from pathlib import Path

import msgspec
from labelmill.runtime.settings import KafkaSettings

from labelmill_cli.errors import CliError

FILE = "connection.json"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What the client commands need. Empty means: not known."""

    url: str = ""
    token: str = ""
    trainer_url: str = ""
    trainer_token: str = ""
    kafka_bootstrap_servers: str = ""


def save(home: Path, connection: Connection) -> None:
    """Write the connection under the state folder, readable by its owner alone."""
    target = home / FILE
    scratch = target.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(connection)))
    scratch.replace(target)


def find(home: Path) -> Connection:
    """Return the connection: the environment's LABELMILL_* before those of the state folder.

    Raises CliError if the file cannot be read as one.
    """
    saved = _saved(home)
    return Connection(
        url=os.environ.get("LABELMILL_URL", saved.url).rstrip("/"),
        token=os.environ.get("LABELMILL_TOKEN", saved.token),
        trainer_url=os.environ.get("LABELMILL_TRAINER_URL", saved.trainer_url).rstrip("/"),
        trainer_token=os.environ.get("LABELMILL_TRAINER_TOKEN", saved.trainer_token),
        kafka_bootstrap_servers=saved.kafka_bootstrap_servers,
    )


def kafka_settings(home: Path) -> KafkaSettings:
    """Return how to reach Kafka: the environment's KAFKA_* before the state folder's broker."""
    saved = find(home).kafka_bootstrap_servers
    if saved and "KAFKA_BOOTSTRAP_SERVERS" not in os.environ:
        return KafkaSettings(kafka_bootstrap_servers=saved)
    return KafkaSettings()


def _saved(home: Path) -> Connection:
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Connection)
    except FileNotFoundError:
        return Connection()
    except msgspec.DecodeError as error:
        raise CliError(f"{path} is damaged: start labelmill again with `labelmill up`") from error
