"""`labelmill status`: how far the projects are, and how one project's promise stands."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType
from rich.live import Live

from labelmill_cli import connection
from labelmill_cli.api import Api, review_api
from labelmill_cli.errors import ApiError
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import out, table, usd
from labelmill_cli.replaying.economy import usd_per_correct

_FORBIDDEN: Final = 403
_DEAD_LETTERS: Final = ("could not be used", "in none of these: see `labelmill dlq list`")
"""Such records lie in Kafka, by topic and not by project: no figure of the API counts them."""


def status(
    project: Annotated[str | None, typer.Option("--project", "-p", help="One project only.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew every two seconds.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show how far the projects are; of one project also its promise, and what a label costs."""
    with review_api(connection.find(home)) as api:
        if not watch:
            out.print(_shown(api, project))
            return
        with Live(_shown(api, project), console=out, auto_refresh=False) as live:
            while True:
                time.sleep(2)
                live.update(_shown(api, project), refresh=True)


def _shown(api: Api, project: str | None) -> RenderableType:
    names = [project] if project else [row["project"] for row in api.projects()]
    if not names:
        return "no projects yet: `labelmill project apply FILE` makes one"
    statuses = [api.status(name) for name in names]
    rows = table("", *names)
    for title, show in _ROWS:
        rows.add_row(title, *(show(s) for s in statuses))
    if project:
        for title, value in _about_one(api, project, statuses[0]):
            rows.add_row(title, value)
        rows.add_row(*_DEAD_LETTERS)
    return rows


def _about_one(api: Api, project: str, status: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("cost per accepted-correct label", _cost(status, api.project(project)["spec"]))]
    try:
        acceptance = api.promise(project)["acceptance"]
    except ApiError as error:
        # Reviewers may see the figures, but not the promise.
        if error.status != _FORBIDDEN:
            raise
        return rows
    if acceptance is None:
        return rows
    missing = f"{acceptance['audits_missing']:,}" if acceptance["audits_missing"] else "none"
    return [
        *rows,
        ("promise", acceptance["sentence"]),
        ("state", _STATES.get(acceptance["state"], acceptance["state"])),
        ("audits missing", missing),
        ("audit rate", f"{acceptance['audit_rate']:.1%}"),
    ]


def _cost(status: dict[str, Any], spec: dict[str, Any]) -> str:
    """Return all money spent by label that was accepted without a person and, by the audits, is right."""
    people = status.get("human_seconds", 0.0) / 3600.0 * spec["usd_per_hour"]
    audits = status.get("audits", 0)
    error = status.get("audit_errors", 0) / audits if audits else None
    accepted = status.get("accepted", 0) + status.get("withdrawn", 0)
    cost = usd_per_correct(status.get("cost_usd", 0.0) + people, accepted, error)
    if cost is None:
        return "unknown: no audits decided yet" if accepted and error is None else "-"
    return f"{usd(cost)} ({error:.1%} of {audits:,} audits were errors)"


_STATES: Final = {
    "gathering": "gathering: people decide everything until there is evidence",
    "open": "open: labels are accepted",
    "alarm": "alarm: the promise was broken, and people decide everything",
}


def _count(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda status: f"{status.get(name, 0):,}"


def _share(status: dict[str, Any], part: str, whole: str) -> str:
    total = status.get(whole, 0)
    return f"{status.get(part, 0) / total:.0%}" if total else "-"


def _without(status: dict[str, Any], shown: str, erased: str) -> str:
    """Return a figure with how many were taken off it, for their items were erased."""
    return f"{shown}, without {status[erased]:,} erased" if status.get(erased) else shown


_ROWS: Final[list[tuple[str, Callable[[dict[str, Any]], str]]]] = [
    ("items", lambda s: _without(s, f"{s.get('items', 0):,}", "items_erased")),
    (
        "final labels",
        lambda s: _without(
            s, f"{s.get('final_labels', 0):,} ({_share(s, 'final_labels', 'items')})", "final_labels_erased"
        ),
    ),
    ("accepted", _count("accepted")),
    ("asked of people", lambda s: f"{s.get('requested', 0):,} ({_share(s, 'requested', 'items')})"),
    ("withdrawn, then accepted", _count("withdrawn")),
    ("asked again, by campaigns", _count("requested_again")),
    ("open tasks", _count("open_tasks")),
    ("in hand", _count("leased_tasks")),
    (
        "decided",
        lambda s: f"{s.get('decided', 0):,}" + (", of erased items too" if s.get("items_erased") else ""),
    ),
    ("corrections", _count("corrections")),
    ("release", lambda s: str(s.get("release") or "none yet")),
    ("without the LLM", _count("student_only")),
    ("LLM calls", _count("llm_calls")),
    ("tokens in, out", lambda s: f"{s.get('input_tokens', 0):,}, {s.get('output_tokens', 0):,}"),
    ("spent", lambda s: f"${s.get('cost_usd', 0.0):,.4f}"),
    ("people's time", lambda s: f"{s.get('human_seconds', 0.0) / 60:,.1f} min"),
]
