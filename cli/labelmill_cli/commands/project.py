"""`labelmill project`: define projects and look at them."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from labelmill.projects import ProjectSpec, load_project

from labelmill_cli import connection
from labelmill_cli.api import Api, review_api
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, out, table

app = typer.Typer(help="Define projects and look at them.", no_args_is_help=True)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The project's YAML file.")], home: Home = DEFAULT_HOME
) -> None:
    """Create a project, or change it to what the file says."""
    document = file.read_bytes()
    spec = load_project(document)
    _warn(spec)
    with review_api(connection.find(home)) as api:
        answer = api.apply_project(spec.project, document)
    what = "applied" if answer.get("changed") else "unchanged"
    versions = f"version {answer['version']}, guideline version {answer['guideline_version']}"
    err.print(f"project {spec.project} {what}: {versions}")
    for warning in answer.get("warnings", []):
        err.print(f"warning: {warning}")
    if answer.get("changed") and answer["guideline_version"] > 1:
        with review_api(connection.find(home)) as api:
            _tell_of_campaigns(api, spec.project, answer)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The project's YAML file.")]) -> None:
    """Say whether a project's file is right, and what it needs elsewhere; nothing is changed."""
    spec = load_project(file.read_bytes())
    _warn(spec)
    voters = ", ".join(voter.name for voter in spec.voters)
    err.print(f"project {spec.project}: {len(spec.labels)} labels, voters {voters}")


@app.command("list")
def list_projects(home: Home = DEFAULT_HOME) -> None:
    """List the projects."""
    with review_api(connection.find(home)) as api:
        projects = api.projects()
    if not projects:
        err.print("no projects yet: make one with `labelmill project apply FILE`")
        return
    rows = table("project", "version", "guideline", "title")
    for row in projects:
        rows.add_row(row["project"], str(row["version"]), str(row["guideline_version"]), _title(row))
    out.print(rows)


@app.command()
def show(
    project: Annotated[str, typer.Argument(help="Name of the project.")], home: Home = DEFAULT_HOME
) -> None:
    """Print a project's definition as YAML."""
    with review_api(connection.find(home)) as api:
        answer = api.project(project)
    text = yaml.dump(answer["spec"], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    out.print(text, end="", soft_wrap=True)


def _tell_of_campaigns(api: Api, project: str, applied: dict[str, Any]) -> None:
    """Say how items that older versions labelled are looked at again, if the guideline is a new one."""
    if api.guidelines(project)["versions"][0]["version"] != applied["version"]:
        return
    affected = api.guideline_diff(project, applied["guideline_version"], None)["affected_labels"]
    chosen = " ".join(f"--label {label}" for label in affected) or "--label LABEL"
    err.print(
        "the guideline is new: items that older versions labelled stay as they are. "
        f"`labelmill guideline campaign -p {project} {chosen}` shows what looking at them again takes",
        soft_wrap=True,
    )


def _warn(spec: ProjectSpec) -> None:
    """Name the Python files that a project's labeling functions need and that are not here, if this machine
    knows where they should be."""
    folder = os.environ.get("FUNCTIONS_DIR")
    for voter in spec.voters:
        if voter.function is None or not voter.function.python:
            continue
        file = Path(spec.project) / f"{voter.function.python.partition(':')[0]}.py"
        if folder is None:
            err.print(f"voter {voter.name}: it abstains unless the autolabeler has {file} in FUNCTIONS_DIR")
        elif not (Path(folder) / file).is_file():
            err.print(f"voter {voter.name}: {Path(folder) / file} is missing; until it is there it abstains")


def _title(row: dict[str, Any]) -> str:
    return str(row.get("title") or row.get("spec", {}).get("title", ""))


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as people write them, with `|`."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
