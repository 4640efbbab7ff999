"""The report as files: `report.json` for programs and `report.html` for people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from labelmill_cli.demo import charts
from labelmill_cli.demo.charts import BLUE, GREEN, GREY, ORANGE, Line


class Chart(NamedTuple):
    """A chart with its words. `svg` is markup of our own making."""

    title: str
    about: str
    svg: str


def write(report: Mapping[str, Any], folder: Path) -> Path:
    """Write both files into `folder` and return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    page = folder / "report.html"
    page.write_text(render(report))
    return page


def render(report: Mapping[str, Any]) -> str:
    """Return the page, complete in one file."""
    environment = Environment(
        loader=PackageLoader("labelmill_cli.demo", "."), autoescape=True, undefined=StrictUndefined
    )
    rounds = report["rounds"]
    people = sum(each["human_share"] * each["items"] for each in rounds)
    return environment.get_template("report.html.j2").render(
        r=report,
        first=rounds[0],
        last=rounds[-1],
        human_share=people / report["items"],
        charts=_charts(report),
    )


def _charts(report: Mapping[str, Any]) -> list[Chart]:
    rounds = report["rounds"]

    def over_rounds(name: str) -> list[float]:
        return [float(each[name]) for each in rounds]

    money = report["money"]
    return [
        Chart(
            "Quality",
            "Share of labels that are right, round by round.",
            charts.lines(
                [
                    Line("final", over_rounds("accuracy"), BLUE),
                    Line("machine", over_rounds("machine_accuracy"), ORANGE),
                    Line("one rater", [report["one_rater_accuracy"]] * len(rounds), GREY, dashed=True),
                ]
            ),
        ),
        Chart(
            "People",
            "Share of the items that a person had to decide.",
            charts.lines([Line("to people", over_rounds("human_share"), BLUE)], low=0),
        ),
        Chart(
            "Throughput",
            "Items a second from ingestion until accepted or handed to people.",
            charts.lines([Line("items/s", over_rounds("items_per_s"), GREEN)], form=charts.plain, low=0),
        ),
        Chart(
            "Money",
            "What all labels cost, beside people alone at the same wage.",
            charts.bars(
                ["people alone", "labelmill"], [money["humans_alone"], money["spent"]], charts.dollars
            ),
        ),
    ]
