"""`labelmill pay`: people's days in a project and what they earn."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.options import DEFAULT_HOME, Home, Project
from labelmill_cli.output import err, out, table

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, by UTC.")]


def pay(
    project: Project,
    since: Day = None,
    until: Day = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the days to this file.")] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show what people have earned, two weeks back unless told otherwise, and who is below the floor."""
    days = {name: f"{day:%Y-%m-%d}" for name, day in (("since", since), ("until", until)) if day}
    with review_api(connection.find(home)) as api:
        found = api.pay(project, days)
        out.print(_people(found))
        if found["below_floor"]:
            floor, names = found["floor_usd_per_hour"], ", ".join(found["below_floor"])
            err.print(f"below the floor of ${floor:,.2f} an hour, on a day or more: {names}", soft_wrap=True)
        if csv_file:
            csv_file.write_bytes(api.payroll(project, days))
            err.print(f"{len(found['days']):,} days written to {csv_file}", soft_wrap=True)


def _people(found: dict[str, Any]) -> Table:
    title = f"{found['since']} to {found['until']}"
    rows = table("reviewer", "days", "decisions", "checks", "hours", "earned", "for an hour", title=title)
    people: dict[str, list[dict[str, Any]]] = {}
    for day in found["days"]:
        people.setdefault(day["reviewer"], []).append(day)
    for name, days in sorted(people.items()):
        total = {key: sum(day[key] for day in days) for key in ("decisions", "checks", "active_seconds")}
        earned, hours = sum(day["amount_usd"] for day in days), total["active_seconds"] / 3600
        rows.add_row(
            name, str(len({day["day"] for day in days})), f"{total['decisions']:,}", f"{total['checks']:,}",
            f"{hours:.2f}", f"${earned:,.2f}", f"${earned / hours:,.2f}" if hours else "-",
        )  # fmt: skip
    return rows
