"""The report's charts as SVG, drawn by matplotlib without a display."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK, QUIET, GRID = "#1f2937", "#6b7280", "#e5e7eb"
BLUE, ORANGE, GREEN, GREY = "#2563eb", "#ea580c", "#059669", "#9ca3af"


@dataclass(frozen=True)
class Line:
    """One line of a chart, a value a round."""

    name: str
    values: Sequence[float]
    colour: str
    dashed: bool = False


def percent(value: float, _: object = None) -> str:
    return f"{value:.0%}"


def dollars(value: float, _: object = None) -> str:
    return f"${value:,.0f}" if value >= 10 else f"${value:,.2f}"


def plain(value: float, _: object = None) -> str:
    return f"{value:,.0f}"


def lines(
    series: Sequence[Line], *, form: Callable[[float, object], str] = percent, low: float | None = None
) -> str:
    """Return a line chart over the rounds 1, 2, ...; each line is named at its end."""
    figure, axes = _canvas(right=0.74)
    for line in series:
        rounds = range(1, len(line.values) + 1)
        axes.plot(
            rounds, line.values, color=line.colour, lw=2.2, marker="o", ms=5, ls="--" if line.dashed else "-"
        )
    _name_ends(axes, series, form)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(form))
    if low is not None:
        axes.set_ylim(bottom=low)
    axes.set_xlabel("round", color=QUIET)
    return _svg(figure)


def bars(names: Sequence[str], values: Sequence[float], form: Callable[[float, object], str]) -> str:
    """Return horizontal bars, the first on top, each with its value."""
    figure, axes = _canvas(right=0.86, left=0.24)
    colours = [GREY] + [BLUE] * (len(values) - 1)
    axes.barh(range(len(values)), values, color=colours, height=0.55)
    axes.invert_yaxis()
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    for at, value in enumerate(values):
        axes.annotate(form(value, None), (value, at), xytext=(6, 0), textcoords="offset points", va="center")
    return _svg(figure)


def _canvas(*, right: float, left: float = 0.11) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 2.7))
    axes = figure.add_axes((left, 0.19, right - left, 0.75))
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=QUIET, length=0)
    return figure, axes


def _name_ends(axes: Axes, series: Sequence[Line], form: Callable[[float, object], str]) -> None:
    """Write each line's name and last value beside its end, spread so that no two overlap."""
    low, high = axes.get_ylim()
    gap = (high - low) * 0.17
    below = float("inf")
    for line in sorted(series, key=lambda line: -line.values[-1]):
        y = min(line.values[-1], below - gap)
        below = y
        axes.annotate(
            f"{line.name} {form(line.values[-1], None)}",
            xy=(len(line.values), y),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            color=line.colour,
            annotation_clip=False,
        )


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    # Text stays text: it can be searched, and the page's own font draws it.
    with mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "labelmill"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
