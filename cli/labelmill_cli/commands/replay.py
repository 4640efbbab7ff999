"""`labelmill replay`: what another policy would have done with what was recorded."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from labelmill.projects import load_project
from labelmill.promise.words import share

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, local_time, out, table, usd
from labelmill_cli.records import replay_of
from labelmill_cli.replaying.error_rate import ErrorEstimate
from labelmill_cli.replaying.replay import Evidence, Replay
from labelmill_cli.replaying.tally import Outcome

_NONE: Final = "-"


def replay(
    project: Annotated[str, typer.Argument(help="Name of the project whose records are replayed.")],
    policy: Annotated[Path, typer.Option("--policy", help="A project's YAML file; its policy is tried.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as one JSON document.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say what another policy would have accepted, at which error and cost. Nothing is asked or changed."""
    spec = load_project(policy.read_bytes())
    with review_api(connection.find(home)) as api:
        found = replay_of(api, project, spec)
    if as_json:
        out.print(msgspec.json.encode(found).decode(), soft_wrap=True)
    else:
        _show(found)


def _show(found: Replay) -> None:
    columns = {"recorded": found.recorded, "tried": found.tried}
    if found.evidence and found.evidence.since:
        columns["tried, since it accepts"] = found.evidence.since
    rows = table("", *columns)
    reasons = dict.fromkeys(reason for outcome in columns.values() for reason in outcome.reasons)
    released = any(outcome.released for outcome in columns.values())
    shown = [_cells(outcome, list(reasons), released=released) for outcome in columns.values()]
    for row in zip(*shown, strict=True):
        rows.add_row(row[0][0], *(value for _, value in row))
    out.print(rows)
    changed = f"{found.newly_accepted:,} are accepted that went to people"
    out.print(f"{changed}, {found.newly_people:,} go to people that were accepted", soft_wrap=True)
    if found.evidence:
        for line in _about(found.evidence):
            out.print(line, soft_wrap=True)
    if found.reproduced < found.routes:
        differing = found.routes - found.reproduced
        err.print(
            f"warning: {differing:,} of {found.routes:,} routes come out otherwise under the policies that "
            "made them: they were recorded by an older build",
            soft_wrap=True,
        )
    for note in found.notes:
        err.print(note, soft_wrap=True)


def _cells(outcome: Outcome, reasons: list[str], *, released: bool) -> list[tuple[str, str]]:
    error = outcome.error
    return [
        ("scored", f"{outcome.items:,}"),
        ("accepted", _of(outcome.accepted, outcome.items)),
        *([("  once evidence sufficed", f"{outcome.released:,}")] if released else []),
        ("to people", _of(outcome.people, outcome.items)),
        *((f"  {reason}", f"{outcome.reasons.get(reason, 0):,}") for reason in reasons),
        ("error of the accepted", _error(error)),
        ("  by decisions, blind", f"{error.decided:,}, {error.blind:,}"),
        ("people's decisions", f"{outcome.decisions:,}"),
        ("people's time", f"{outcome.people_minutes:,.1f} min"),
        ("cost of people", usd(outcome.people_usd)),
        ("cost of the machine", usd(outcome.machine_usd)),
        ("cost per accepted-correct label", _cost(outcome.usd_per_accepted_correct)),
    ]


def _of(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"


def _error(error: ErrorEstimate) -> str:
    """Return the estimate in words; nothing is stated where nobody looked."""
    if not error.labels:
        return _NONE
    if not error.decided:
        return "unknown: no audits there"
    between = f"{share(error.low)} to {share(error.high)}"
    if error.error is None:
        return f"unknown: no audits of {_of(error.unknown, error.labels)} of them; {between}"
    return f"{share(error.error)} ({between})"


def _cost(amount: float | None) -> str:
    return "unknown" if amount is None else usd(amount)


def _about(evidence: Evidence) -> list[str]:
    lines = [f"promise: {evidence.sentence}"]
    if evidence.opened_at is not None:
        lines.append(f"it would have accepted labels since {local_time(evidence.opened_at)}")
        for each in evidence.thresholds:
            known = each.by_label or {"every label": each.confidence}
            bars = ", ".join(f"{label} from {confidence:g}" for label, confidence in known.items())
            lines.append(f"certified by now, release {each.release}: {bars}")
    if evidence.is_limited:
        lines.append("audits were drawn only from what earlier policies accepted: no more is accepted here")
    return lines
