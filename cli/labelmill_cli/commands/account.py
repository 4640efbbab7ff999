"""`labelmill account`: people and programs that may sign in."""

from enum import StrEnum
from typing import Annotated

import typer

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, out

app = typer.Typer(help="People and programs that may sign in.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The account's name.")]


class Role(StrEnum):
    """What an account may do."""

    REVIEWER = "reviewer"
    MANAGER = "manager"
    ADMIN = "admin"
    SERVICE = "service"


@app.command()
def add(
    name: Name,
    role: Annotated[list[Role] | None, typer.Option("--role", help="May be given several times.")] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password, for signing in on the page.")
    ] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Create an account (a reviewer, unless --role says otherwise)."""
    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else None
    with review_api(connection.find(home)) as api:
        api.add_account(name, [r.value for r in role or [Role.REVIEWER]], secret)
    err.print(
        f"account {name} made" + ("" if password else f"; `labelmill account token {name}` gives it a token")
    )


@app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    home: Home = DEFAULT_HOME,
) -> None:
    """Print a new token of an account. It is shown this once."""
    with review_api(connection.find(home)) as api:
        secret = api.add_token(name, label)
    out.print(secret, soft_wrap=True)
