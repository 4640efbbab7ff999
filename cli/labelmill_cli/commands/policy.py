"""`labelmill policy`: what a project's policy will do, before it does it."""

from pathlib import Path
from typing import Annotated

import typer
from labelmill.prices import local_models, packaged_prices, priced
from labelmill.projects import ProjectSpec, load_project

from labelmill_cli import connection
from labelmill_cli.api import Api, review_api
from labelmill_cli.errors import ApiError, CliError
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, out
from labelmill_cli.policy_words import audits_needed, explained, free_of_charge
from labelmill_cli.records import replay_of
from labelmill_cli.replaying.replay import Replay

app = typer.Typer(help="Say what a project's policy will do.", no_args_is_help=True)


@app.callback()
def policy() -> None:
    """Say what a project's policy will do, before it does it."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The project's YAML file.")],
    project: Annotated[
        str | None,
        typer.Option("--project", "-p", help="Say also what people would have had to do there."),
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say in words what the policy of a file will do, and what about it deserves a second look."""
    spec = load_project(file.read_bytes())
    filled = priced(spec, packaged_prices())
    words = explained(filled.spec)
    lines = [*words.lines, *free_of_charge(local_models(spec, packaged_prices()))]
    warnings = [*words.warnings, *filled.warnings]
    if project:
        with review_api(connection.find(home)) as api:
            more, doubts = _in_practice(api, project, spec)
        lines += more
        warnings += doubts
    for line in lines:
        out.print(line, soft_wrap=True)
    for warning in warnings:
        err.print(f"warning: {warning}", soft_wrap=True)


def _in_practice(api: Api, project: str, spec: ProjectSpec) -> tuple[list[str], list[str]]:
    """Return what the project's records tell: lines and warnings."""
    try:
        found = replay_of(api, project, spec)
        acceptance = api.promise(project)["acceptance"]
        too_little = _too_little_gold(api, project, spec)
    except ApiError as error:
        return [], [f"the records of {project} cannot be read: {error}"]
    except CliError as error:
        return [], [str(error)]
    standing = [f"promise in force: {acceptance['sentence']}"] if acceptance else []
    return [_load(found), *standing], [*_doubts(found, spec), *too_little]


def _load(found: Replay) -> str:
    tried, recorded = found.tried, found.recorded
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in tried.reasons.items())
    return (
        f"people's load: of the {tried.items:,} items recorded {tried.people / tried.items:.1%} would have "
        f"gone to people ({reasons or 'none'}), {tried.people_minutes / 60:,.1f} hours; on record are "
        f"{recorded.people / recorded.items:.1%}"
    )


def _too_little_gold(api: Api, project: str, spec: ProjectSpec) -> list[str]:
    least = spec.review.gold.least_items
    there = api.gold(project)["for_everybody"] if least else 0
    if there >= least:
        return []
    return [
        f"{project} has {there:,} gold items without a skill, and it takes {least:,} at least: with fewer, "
        "newcomers are trained with less, or hidden checks run out before anybody can be judged"
    ]


def _doubts(found: Replay, spec: ProjectSpec) -> list[str]:
    if not found.evidence or found.evidence.opened_at is not None:
        return []
    needed = audits_needed(spec)
    if needed > found.routes:
        return [f"the promise needs {needed:,} audits at least, and only {found.routes:,} items came so far"]
    return [f"the recorded audits do not prove the promise: {found.evidence.sentence}"]
