"""`labelmill agreement`: how far people agree with each other and with the machine."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from labelmill_cli import connection
from labelmill_cli.api import review_api
from labelmill_cli.options import DEFAULT_HOME, Home, Project
from labelmill_cli.output import err, out, table

_COEFFICIENTS: Final = {
    "percent": "pairs that agree",
    "cohen": "Cohen's kappa",
    "fleiss": "Fleiss' kappa",
    "alpha": "Krippendorff's alpha",
    "ac1": "Gwet's AC1",
}
_BETWEEN: Final = {"people": "people", "machine": "machine and person"}
_COLUMNS: Final = [
    "between", "blind", "of", "label", "week", "guideline_version", "figure", "value", "low", "high", "items",
    "pairs", "undefined",
]  # fmt: skip


def agreement(
    project: Project,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write all figures to this file.")] = None,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", help="Write who decided what to this file, a JSON object a line."),
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show how far people agree with each other and with the machine, and what they confuse."""
    with review_api(connection.find(home)) as api:
        found = api.agreement(project)
        out.print(found["verdict"]["sentence"], soft_wrap=True)
        for shown in (_coefficients(found), _labels(found), _pairs(found)):
            if shown.row_count:
                out.print()
                out.print(shown)
        if csv_file:
            err.print(f"{_write_csv(found, csv_file):,} figures written to {csv_file}", soft_wrap=True)
        if decisions:
            with decisions.open("wb") as file:
                count = sum(bool(file.write(line + b"\n")) for line in api.decisions(project))
            err.print(f"{count:,} decisions written to {decisions}", soft_wrap=True)


def _coefficients(found: dict[str, Any]) -> Table:
    compared = [one for one in found["comparisons"] if one["raters"]]
    rows = table("", *(_named(one) for one in compared))
    if not compared:
        return rows
    for key, title in _COEFFICIENTS.items():
        rows.add_row(title, *(_shown(one[key], share=key == "percent") for one in compared))
    rows.add_row("items", *(f"{one['percent']['items']:,}" for one in compared))
    return rows


def _named(comparison: dict[str, Any]) -> str:
    seen = "blind" if comparison["blind"] else "suggestion seen"
    return f"{_BETWEEN[comparison['between']]}, {seen}"


def _labels(found: dict[str, Any]) -> Table:
    rows = table("label", "between", "alpha", "said by another too")
    for one in found["comparisons"]:
        for label in one["labels"] if one["between"] == "people" and one["percent"]["items"] else []:
            shown = _shown(label["alpha"]), _shown(label["specific"], share=True)
            rows.add_row(label["label"], _named(one), *shown)
    return rows


def _pairs(found: dict[str, Any]) -> Table:
    rows = table("confused", "items with both", "with either", "such as")
    for pair in found["pairs"]:
        examples = ", ".join(example["item_id"] for example in pair["examples"])
        rows.add_row(" or ".join(pair["labels"]), f"{pair['items']:,}", f"{pair['either']:,}", examples)
    return rows


def _shown(figure: dict[str, Any], *, share: bool = False) -> str:
    if figure["value"] is None:
        return str(figure["undefined"])
    style = ".1%" if share else ".2f"
    if figure["low"] is None:
        return format(figure["value"], style)
    return f"{figure['value']:{style}} ({figure['low']:{style}} to {figure['high']:{style}})"


def _write_csv(found: dict[str, Any], path: Path) -> int:
    rows = list(_rows(found))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _rows(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every figure: of all, of one label against the rest, or of one week."""
    for one in found["comparisons"]:
        common = {"between": one["between"], "blind": one["blind"]}
        now = common | {"guideline_version": found["guideline_version"]}
        for key in _COEFFICIENTS:
            yield now | {"of": "all", "figure": key} | one[key]
        for label in one["labels"]:
            for key in ("alpha", "specific"):
                yield now | {"of": "label", "label": label["label"], "figure": key} | label[key]
        for week in one["weeks"]:
            of_week = {"of": "week", "week": week["week"], "guideline_version": week["guideline_version"]}
            for key in ("percent", "alpha"):
                yield common | of_week | {"figure": key} | week[key]
