"""Draws the figures of docs/evaluation.md from what is in results/evaluation.json."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MultipleLocator, NullLocator, PercentFormatter
from PIL import Image

from benchmarks.evaluation.data import NAMES

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
DATA_SETS = {"tweets": "Tweets, 2 labels", "bbc": "BBC News, 5 labels"}

PAPER, INK, FAINT, LINES = "#fbfaf7", "#30353b", "#767c84", "#e4e2dc"
OURS, LLM, OTHER, ALARM = "#146c83", "#c9711d", "#7a6ea8", "#b23a48"
WIDTH, DPI = 8.3, 200
"""Inches and dots an inch: about the width of a README, sharp on a dense screen."""
COLOURS = 96
"""Of a picture's palette: few bytes, and no step in the shades to be seen."""
STYLE: Any = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINES,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}
PERCENT = PercentFormatter(1.0, decimals=0)

Document = Mapping[str, Any]


@contextmanager
def figure(name: str, height: float, rows: int, columns: int, **shared: Any) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure and its axes, shape (rows, columns), and keep it as evaluation-NAME.png."""
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        yield drawn, drawn.subplots(rows, columns, squeeze=False, **shared)
        drawn.savefig(buffer := BytesIO(), dpi=DPI)
    picture = Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(FOLDER / f"evaluation-{name}.png", optimize=True)


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Return positions as close to the values as labels may stand that are at least `gap` apart."""
    order = np.argsort(values, kind="stable")
    placed = np.array(values, np.float64)[order]
    blocks: list[list[float]] = []
    for value in placed - gap * np.arange(len(placed)):
        blocks.append([float(value)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    found = np.empty(len(placed))
    found[order] = level + gap * np.arange(len(placed))
    return [float(value) for value in found]


def at_ends(axes: Axes, ends: Mapping[str, tuple[float, float, str]], gap: float) -> None:
    """Write names to the right of where their lines end (x, y, colour), none over another."""
    heights = apart([y for _, y, _ in ends.values()], gap)
    for (name, (x, y, colour)), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            name,
            (x, y),
            xytext=(1.03, height),
            textcoords=("axes fraction", "data"),
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": LINES,
                "linewidth": 0.8,
                "shrinkA": 0,
                "shrinkB": 2,
                "relpos": (0, 0.5),
            },
        )


def reliability(document: Document) -> None:
    """Stated confidence against how often people agree, before and after calibration."""
    panels = [
        (name, source, f"{DATA_SETS[name].split(',')[0]}: {said}")
        for name in NAMES
        for source, said in (("pooled", "labelmill"), ("logprobs", "LLM alone"))
    ]
    with figure("reliability", 2.55, 1, 4, sharey=True) as (drawn, table):
        for axes, (name, source, title) in zip(table[0], panels, strict=True):
            each = document["confidence"][name]["sources"][source]
            axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (2, 3)))
            before, after = (_bins(each["reliability"][stage]) for stage in ("before", "after"))
            axes.plot(*before[:2], color=LLM, marker="o", markersize=3, linewidth=1.2)
            axes.fill_between(after[0], after[2], after[3], color=OURS, alpha=0.18, linewidth=0)
            axes.plot(*after[:2], color=OURS, marker="o", markersize=3)
            errors = {stage: each["people"][stage]["ece"] for stage in ("before", "after")}
            axes.text(0.98, 0.15, f"ECE {errors['before']:.3f} before", color=LLM, ha="right", fontsize=8)
            axes.text(0.98, 0.04, f"ECE {errors['after']:.3f} after", color=OURS, ha="right", fontsize=8)
            axes.set_title(title, fontsize=9.5)
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.xaxis.set_major_formatter(PERCENT)
            axes.yaxis.set_major_formatter(PERCENT)
            axes.set_xticks([0, 0.5, 1])
        table[0][0].set_ylabel("people agree")
        drawn.supxlabel("stated confidence of the label (ten bins of as many items each)", fontsize=9)


def _bins(rows: Sequence[Mapping[str, float]]) -> list[list[float]]:
    return [[row[key] for row in rows] for key in ("confidence", "accuracy", "low", "high")]


SOURCE_LINES = {
    "pooled": ("labelmill", OURS, 2.6),
    "student": ("student alone", OTHER, 1.6),
    "logprobs": ("LLM, log-probs", LLM, 1.8),
    "permuted": ("LLM, two orders", LLM, 1.0),
    "samples": ("LLM, five samples", FAINT, 1.2),
    "verbal": ("LLM, own words", FAINT, 1.2),
}
DASHES = {"permuted": (0, (4, 2)), "verbal": (0, (1, 2))}


def risk_coverage(document: Document) -> None:
    """How many accepted labels are wrong, by the share that is accepted."""
    with figure("risk-coverage", 3.5, 1, 2) as (_, table):
        for axes, name in zip(table[0], NAMES, strict=True):
            found = document["confidence"][name]
            ends = {}
            for source, (said, colour, width) in SOURCE_LINES.items():
                risks = found["sources"][source]["risk_coverage"]["after"]
                dashes = DASHES.get(source, "solid")
                axes.plot(found["coverages"], risks, color=colour, linewidth=width, linestyle=dashes)
                ends[said] = (1.0, risks[-1], colour)
            top = max(y for _, y, _ in ends.values()) * 1.15
            axes.set(
                title=DATA_SETS[name], xlim=(0, 1), ylim=(0, top), xlabel="items accepted, the surest first"
            )
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
            axes.xaxis.set_major_formatter(PERCENT)
            axes.yaxis.set_major_formatter(PERCENT)
            at_ends(axes, ends, top * 0.075)
        table[0][0].set_ylabel("accepted labels that are wrong")


POLICY_MARKS = {
    "fixed_threshold": ("LLM from\n0.9 up", LLM, (4, -46)),
    "promised": ("with a promise", ALARM, (6, 11)),
    "people_alone": ("people alone", INK, (4, 10)),
}
"""What single points are called, in which colour, and where the name stands (points from the middle)."""
OURS_AT = {"tweets": (2, (8, -5)), "bbc": (-1, (8, 0))}
"""Beside which point of its line the name of ours stands."""
TARGET_AT = {"tweets": (0.01, "left", "bottom"), "bbc": (0.99, "right", "top")}
BELOW_TARGET = 0.115
"""How far below the target the picture ends."""


def decisions(document: Document) -> None:
    """Accuracy of final labels against the decisions that people took."""
    with figure("decisions", 3.7, 1, 2) as (_, table):
        for axes, name in zip(table[0], NAMES, strict=True):
            found = document["loop"][name]
            courses: dict[str, list[tuple[float, float]]] = {}
            for course in found["courses"]:
                point = (course["decisions"] / found["items"], course["accuracy"])
                courses.setdefault(course["policy"], []).append(point)
            _lines(axes, name, sorted(courses["ours"]), sorted(courses["random_review"]))
            _marks(axes, {policy: points[0] for policy, points in courses.items()})
            _target(axes, name, found["target"])
            highest = max(accuracy for points in courses.values() for _, accuracy in points)
            axes.set(xlim=(0, 1.02), ylim=(found["target"] - BELOW_TARGET, highest + 0.015))
            axes.set(title=DATA_SETS[name], xlabel="items that people decide")
            axes.xaxis.set_major_formatter(PERCENT)
            axes.yaxis.set_major_locator(MultipleLocator(0.02))
            axes.yaxis.set_major_formatter(PERCENT)
        table[0][0].set_ylabel("final labels that are right")


def _lines(axes: Axes, name: str, ours: list[tuple[float, float]], chance: list[tuple[float, float]]) -> None:
    for points, colour in ((chance, FAINT), (ours, OURS)):
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3.5)
    number, aside = OURS_AT[name]
    _name(axes, "labelmill", ours[number], aside, OURS)
    _name(axes, "random review", chance[len(chance) // 2], (6, -11), FAINT)


def _marks(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    for policy, (said, colour, aside) in POLICY_MARKS.items():
        axes.plot(*points[policy], color=colour, marker="D", markersize=5, linestyle="none", clip_on=False)
        name = _name(axes, said, points[policy], aside, colour)
        name.set_horizontalalignment("right")


def _name(axes: Axes, said: str, point: tuple[float, float], aside: tuple[int, int], colour: str) -> Text:
    away = {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkB": 4}
    return axes.annotate(
        said,
        point,
        xytext=aside,
        textcoords="offset points",
        va="center",
        color=colour,
        arrowprops=away if abs(aside[1]) > 20 else None,
    )


def _target(axes: Axes, name: str, target: float) -> None:
    x, side, above = TARGET_AT[name]
    axes.axhline(target, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        f"target {target:.1%}",
        (x, target),
        xytext=(0, 2 if above == "bottom" else -3),
        textcoords="offset points",
        ha=side,
        va=above,
        fontsize=8.5,
    )


MODEL_LINES = {"small": "#5f9dac", "middle": "#2f7f96", "large": "#0c4656"}

MOST_ALIKE = 1.1
"""Lines that end closer together than this, one divided by the other, have one name."""


def economics(document: Document) -> None:
    """How many times cheaper than people alone, by stream size, model and price of a decision."""
    with figure("economics", 3.1, 1, 4, sharey=True) as (drawn, table):
        prices = sorted({row["human_usd"] for row in document["economics"]["tweets"]["rows"]})
        panels = [(name, usd) for name in NAMES for usd in prices]
        for axes, (name, usd) in zip(table[0], panels, strict=True):
            rows = [row for row in document["economics"][name]["rows"] if row["human_usd"] == usd]
            _times(axes, rows)
            said = DATA_SETS[name].split(",")[0]
            axes.set_title(f"{said},\n${usd:.2f} a decision", fontsize=9.5)
        table[0][0].set_ylabel("times cheaper than people alone")
        drawn.supxlabel("items of the stream; lines by the model's price, dashed with a promise", fontsize=9)


def _times(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    ends = {}
    for model, colour in MODEL_LINES.items():
        own = [row for row in rows if row["model"] == model]
        for policy, dashes in (("promise", (0, (3, 1.5))), ("threshold", "solid")):
            points = sorted((row["items"], row["times_cheaper"]) for row in own if row["policy"] == policy)
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=dashes, marker="o", markersize=3)
        ends[model] = (*points[-1], colour)
    axes.axhline(1.0, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.8, 64)
    axes.set_yticks([1, 2, 4, 8, 16, 32, 64])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda times, _: f"{times:g}x"))
    axes.set_xticks([1e4, 1e5, 1e6])
    axes.xaxis.set_major_formatter(FuncFormatter(_items))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    dearest, cheapest = ends["large"], ends["small"]
    if cheapest[1] < MOST_ALIKE * dearest[1]:
        ends = {"any model": dearest}
    heights = apart([np.log2(y) for _, y, _ in ends.values()], 0.5)
    for (model, (x, _, colour)), height in zip(ends.items(), heights, strict=True):
        aside: Any = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(model, (x, 2**height), color=colour, **aside)


def _items(count: float, _: int) -> str:
    return f"{count / 1e6:g}M" if count >= 1e6 else f"{count / 1e3:g}k"


KINDS = {
    "well_calibrated": "well calibrated",
    "overconfident": "overconfident",
    "shifted": "worse halfway",
    "rare_classes": "bad rare classes",
    "easy_start": "no error at first",
    "bbc_real": "real votes, BBC",
    "tweets_real": "real votes, tweets",
}


def promise(document: Document) -> None:
    """The error of every stream's accepted labels against what was promised."""
    found = document["promise"]
    with figure("promise", 3.7, 1, 1) as (_, table):
        axes = table[0][0]
        for row, kind in enumerate(KINDS):
            _streams(axes, row, found["each"][kind], found["target"])
        for place, head in ((1.02, "broken"), (1.16, "accepted")):
            _beside(axes, place, -0.8, head, INK)
        axes.axvline(found["target"], color=INK, linewidth=1.1, linestyle=(0, (4, 3)))
        axes.text(
            found["target"], -0.8, f"promised: at most {found['target']:.0%}  ", va="center", ha="right"
        )
        axes.set_yticks(range(len(KINDS)), list(KINDS.values()))
        axes.set_ylim(len(KINDS) - 0.5, -1.1)
        axes.set_xlabel("accepted labels that are wrong: a dot a stream, hollow if it accepted nothing")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)


def _streams(axes: Axes, row: int, each: Mapping[str, Sequence[float]], target: float) -> None:
    errors, accepted = np.array(each["error"]), np.array(each["accepted"])
    heights = row + np.random.default_rng(row).uniform(-0.3, 0.3, len(errors))
    broken, nothing = errors > target, accepted == 0
    kept = ~broken & ~nothing
    axes.scatter(errors[kept], heights[kept], s=11, color=OURS, alpha=0.55, linewidths=0)
    axes.scatter(errors[nothing], heights[nothing], s=9, facecolors="none", edgecolors=FAINT, linewidths=0.7)
    axes.scatter(errors[broken], heights[broken], s=18, color=ALARM, linewidths=0)
    _beside(axes, 1.02, row, f"{broken.sum()} of {len(errors)}", ALARM if broken.any() else FAINT)
    _beside(axes, 1.16, row, f"{accepted.mean():.0%}", FAINT)


def _beside(axes: Axes, place: float, row: float, text: str, colour: str) -> None:
    axes.annotate(text, (place, row), xycoords=("axes fraction", "data"), va="center", color=colour)


FIGURES: Sequence[Callable[[Document], None]] = (reliability, risk_coverage, decisions, economics, promise)


def draw(document: Document) -> None:
    """Draw all figures."""
    FOLDER.mkdir(exist_ok=True)
    for each in FIGURES:
        each(document)
