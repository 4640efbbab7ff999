"""`labelmill bootstrap`: make topics, roles and schemas in Kafka and PostgreSQL that you run yourself."""

import asyncio

from labelmill.bootstrap import SCHEMAS, create_roles, create_topics
from labelmill.runtime.settings import KafkaSettings
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from labelmill_cli import connection
from labelmill_cli.errors import CliError
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err


class BootstrapSettings(BaseSettings):
    """What `labelmill bootstrap` reads besides how to reach Kafka."""

    database_admin_url: SecretStr = SecretStr("")
    """A database role that may create roles and schemas; empty leaves PostgreSQL alone."""
    autolabeler_database_password: SecretStr = SecretStr("")
    """Password of the role `autolabeler`."""
    review_database_password: SecretStr = SecretStr("")
    """Password of the role `review`."""
    trainer_database_password: SecretStr = SecretStr("")
    """Password of the role `trainer`."""

    def passwords(self) -> dict[str, str]:
        """Return schema to password. Raises CliError for one that is missing."""
        found = {}
        for schema in SCHEMAS.values():
            name = f"{schema}_database_password"
            found[schema] = getattr(self, name).get_secret_value()
            if not found[schema]:
                raise CliError(f"{name.upper()} is missing: choose the password that the service will use")
        return found


def bootstrap(home: Home = DEFAULT_HOME) -> None:
    """Make what is missing of topics, roles and schemas. Safe to repeat."""
    asyncio.run(_bootstrap(connection.kafka_settings(home), BootstrapSettings()))


async def _bootstrap(kafka: KafkaSettings, settings: BootstrapSettings) -> None:
    admin_url = settings.database_admin_url.get_secret_value()
    passwords = settings.passwords() if admin_url else {}
    made = await create_topics(kafka)
    err.print(f"topics: {len(made)} made" if made else "topics: all there")
    if not admin_url:
        err.print("PostgreSQL: left alone (DATABASE_ADMIN_URL is not set)")
        return
    try:
        await create_roles(admin_url, passwords)
    except OSError as error:
        raise CliError(f"cannot reach PostgreSQL at DATABASE_ADMIN_URL: {error}") from error
    err.print(f"roles and schemas: {', '.join(passwords)}")
