"""`labelmill account`: people and programs that may sign in."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, local_time, out, table

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


class Scope(StrEnum):
    """What a token may do of what its account may."""

    READ = "read"
    INGEST = "ingest"
    REVIEW = "review"
    MANAGE = "manage"
    ADMIN = "admin"


@app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="May be given several times; without any, all that the account may."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="How long it is valid; for good without it.")
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Print a new token of an account. It is shown this once."""
    with review_api(connection.find(home)) as api:
        secret = api.add_token(name, label, [one.value for one in scope or []], days)
    out.print(secret, soft_wrap=True)


@app.command()
def invite(
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Without it, to all projects.")
    ] = None,
    role: Annotated[list[Role] | None, typer.Option("--role", help="May be given several times.")] = None,
    note: Annotated[str, typer.Option(help="Whom it is for; only managers see it.")] = "",
    hours: Annotated[int, typer.Option(min=1, help="How long the link is good.")] = 72,
    home: Home = DEFAULT_HOME,
) -> None:
    """Print a link by which one person comes in, once (a reviewer, unless --role says otherwise)."""
    with review_api(connection.find(home)) as api:
        link = api.invite(project, [one.value for one in role or [Role.REVIEWER]], note, hours)
    out.print(link, soft_wrap=True)


Skill = Annotated[str, typer.Argument(help="A skill of the project, or expert.")]
InProject = Annotated[str, typer.Option("--project", "-p", help="In which project.")]


@app.command()
def grant(name: Name, skill: Skill, project: InProject, home: Home = DEFAULT_HOME) -> None:
    """Grant somebody a skill: they may claim the tasks that need it; an expert adjudicates."""
    _set_skill(home, project, name, skill, held=True)


@app.command()
def revoke(name: Name, skill: Skill, project: InProject, home: Home = DEFAULT_HOME) -> None:
    """Take a skill from somebody."""
    _set_skill(home, project, name, skill, held=False)


def _set_skill(home: Path, project: str, name: str, skill: str, *, held: bool) -> None:
    with review_api(connection.find(home)) as api:
        changed = api.set_skill(project, name, skill, held=held)
    stands = (
        f"{name} has the skill {skill} in {project}" if held else f"{name} has no skill {skill} in {project}"
    )
    err.print(stands + ("" if changed else " already"))


@app.command("list")
def list_accounts(
    project: Annotated[str | None, typer.Option("--project", "-p", help="Who has a role in it.")] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """List the accounts with their roles, or the members of a project."""
    with review_api(connection.find(home)) as api:
        found = api.accounts() if project is None else api.members(project)
    rows = table("account", "roles in all projects", *(() if project is None else (f"roles in {project}",)))
    for row in found:
        if project is None:
            rows.add_row(row["name"], ", ".join(row["roles"]))
        else:
            rows.add_row(row["name"], ", ".join(row["everywhere"]), ", ".join(row["roles"]))
    out.print(rows)


@app.command()
def audit(
    about: Annotated[str | None, typer.Option(help="Only what was done to this account or project.")] = None,
    count: Annotated[int, typer.Option(min=1, max=500, help="How many entries, the newest first.")] = 50,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show who did what to whom."""
    with review_api(connection.find(home)) as api:
        entries = api.audit(count, about)
    rows = table("when", "by", "did", "to", "project", "detail")
    for one in entries:
        detail = ", ".join(f"{name}: {value}" for name, value in one["detail"].items())
        rows.add_row(
            local_time(one["at"]), one["by"], one["act"], one["subject"], one["project"] or "", detail
        )
    out.print(rows)
