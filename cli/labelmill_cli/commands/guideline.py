"""`labelmill guideline`: what changed between versions, and campaigns that look at items again."""

import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from labelmill_cli import connection
from labelmill_cli.api import Api, review_api
from labelmill_cli.errors import CliError
from labelmill_cli.options import DEFAULT_HOME, Home, Project
from labelmill_cli.output import err, local_time, out, table, usd

app = typer.Typer(help="Compare versions of the guideline, and run campaigns.", no_args_is_help=True)

_SIGNS: Final = {"same": " ", "removed": "-", "added": "+"}
_POLL_SECONDS: Final = 0.5
_ENDED: Final = ("done", "cancelled", "failed", "paused")


@app.command()
def versions(project: Project, home: Home = DEFAULT_HOME) -> None:
    """List the versions of the guideline: who made them, when, and the campaigns they led to."""
    with review_api(connection.find(home)) as api:
        found = api.guidelines(project)
    rows = table("version", "by", "at", "campaign")
    for one in found["versions"]:
        campaign = one["campaign"]
        told = f"{campaign['campaign_id']}: {campaign['mode']}, {campaign['state']}" if campaign else ""
        rows.add_row(str(one["guideline_version"]), one["created_by"], local_time(one["created_at"]), told)
    out.print(rows)


@app.command()
def diff(
    project: Project,
    to: Annotated[int | None, typer.Option("--to", help="Version; the one in force unless given.")] = None,
    since: Annotated[
        int | None, typer.Option("--since", help="Version; the one before unless given.")
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show what changed from one version of the guideline to another."""
    with review_api(connection.find(home)) as api:
        number = to or api.guidelines(project)["in_force"]
        found = api.guideline_diff(project, number, since)
    err.print(f"guideline of {project}, version {found['old']} to {found['new']}", soft_wrap=True)
    for label in found["labels"]:
        told = "".join(_marked(part) for part in label["parts"])
        out.print(f"label {label['name']} {label['op']}{f': {told}' if told else ''}", soft_wrap=True)
    if found["reordered"]:
        out.print("labels stand in another order")
    for hunk in found["hunks"]:
        out.print(f"@@ line {hunk['old']}, now line {hunk['new']} @@")
        for line in hunk["lines"]:
            text = "".join(part["text"] for part in line["parts"])
            out.print(f"{_SIGNS[line['op']]} {text}", soft_wrap=True)
    if not (found["hunks"] or found["labels"] or found["reordered"]):
        err.print("nothing differs")


@app.command()
def campaign(
    project: Project,
    *,
    mode: Annotated[
        Literal["relabel", "re-review"],
        typer.Option("--mode", help="Who labels anew: the machine, or people."),
    ] = "relabel",
    labels: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Items with this final label; again for more.")
    ] = None,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Only those near the boundary of the labels.")
    ] = False,
    texts: Annotated[
        Path | None, typer.Option("--texts", help="File of texts that mark the boundary, one a line.")
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", help="How far the two best labels may be apart, 0 to 1.")
    ] = 0.3,
    everything: Annotated[bool, typer.Option("--all", help="All items.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Have items that an older version labelled looked at again: shows what it will take, and asks.

    Interrupted, it goes on in the background; started again, the command says how far it is.
    """
    select = _selection(labels or [], boundary=boundary, texts=texts, margin=margin, everything=everything)
    with review_api(connection.find(home)) as api:
        running = next((one for one in api.campaigns(project) if one["state"] in ("running", "paused")), None)
        if running is None:
            running = _planned(api, project, mode, select)
            _tell_plan(running)
            if not _wanted(running, yes=yes):
                api.move_campaign(project, running["campaign_id"], "cancel")
                err.print("nothing was sent")
                return
            api.move_campaign(project, running["campaign_id"], "start")
        else:
            err.print(f"campaign {running['campaign_id']} is under way", soft_wrap=True)
        _follow(api, project, running["campaign_id"])


def _selection(
    labels: list[str], *, boundary: bool, texts: Path | None, margin: float, everything: bool
) -> dict[str, Any]:
    if everything:
        return {"by": "all"}
    if boundary or texts is not None:
        lines = texts.read_text(encoding="utf-8").splitlines() if texts else []
        marks = [line.strip() for line in lines if line.strip()]
        return {"by": "boundary", "labels": labels, "texts": marks, "margin": margin, "edge_cases": True}
    if not labels:
        raise CliError("say which items: --label NAME, --boundary, or --all")
    return {"by": "labels", "labels": labels}


def _planned(api: Api, project: str, mode: str, select: dict[str, Any]) -> dict[str, Any]:
    made = api.plan_campaign(project, {"mode": mode, "select": select})
    while made["state"] == "planning":
        time.sleep(_POLL_SECONDS)
        made = api.campaign(project, made["campaign_id"])
    if made["state"] != "planned":
        raise CliError(made["problem"] or f"the plan was {made['state']} meanwhile")
    return made


def _tell_plan(plan: dict[str, Any]) -> None:
    estimate = plan["estimate"]
    out.print(f"{plan['items']:,} of {plan['looked_at']:,} labelled items are affected", soft_wrap=True)
    out.print(
        f"expected: {usd(estimate['cost_usd'])} for the machine, {estimate['tasks']:,} tasks for people, "
        f"{estimate['human_minutes']:,.0f} minutes of their time ({usd(estimate['human_usd'])})",
        soft_wrap=True,
    )
    if not estimate["measured"]:
        err.print("people's time is assumed: nobody has decided anything yet", soft_wrap=True)


def _wanted(plan: dict[str, Any], *, yes: bool) -> bool:
    return plan["items"] > 0 and (yes or typer.confirm("Start it?", err=True))


def _follow(api: Api, project: str, campaign_id: int) -> None:
    """Tell how far a campaign is until it ends, or only people are left to do something."""
    told = ""
    while True:
        found = api.campaign(project, campaign_id)
        parts = {
            "labelled anew": found["labelled"],
            "with people": found["asked"],
            "on the way": found["sent"],
            "waiting": found["waiting"],
            "given up": found["given_up"],
        }
        line = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
        if line != told:
            err.print(f"{found['state']}: {line or 'nothing to do'}", soft_wrap=True)
            told = line
        if found["state"] in _ENDED or (found["sent"] == 0 and found["waiting"] == 0):
            return
        time.sleep(_POLL_SECONDS * 2)


def _marked(part: dict[str, str]) -> str:
    return {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}[part["op"]].format(part["text"])
