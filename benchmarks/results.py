"""A measured figure, printed as a row and kept as JSON."""

import datetime
import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def commit() -> str:
    """Return the commit that the code is of, "-dirty" if files have changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER.parent)
    return done.stdout.strip() or "unknown"


def today() -> str:
    """Return the date in UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


@dataclass(frozen=True)
class Result:
    """One figure. `ratio` is `value / baseline`, both from the same run on the same machine."""

    name: str
    value: float
    unit: str
    baseline: float
    baseline_is: str
    aim: str
    details: dict[str, float] = field(default_factory=dict)
    commit: str = field(default_factory=commit)
    date: str = field(default_factory=today)

    @property
    def ratio(self) -> float:
        return round(self.value / self.baseline, 3) if self.baseline else 0.0

    def row(self) -> str:
        return (
            f"{self.name:<24} {self.value:>10,.0f} {self.unit:<14} "
            f"{self.ratio:>6.2f} x {self.baseline_is} ({self.baseline:,.0f}); aim {self.aim}"
        )


@dataclass(frozen=True)
class Table:
    """Figures of one kind under several conditions, and what goes for all of them."""

    rows: list[dict[str, float]]
    summary: dict[str, float]
    commit: str = field(default_factory=commit)
    date: str = field(default_factory=today)

    def lines(self) -> list[str]:
        names = list(self.rows[0])
        cells = [names, *([f"{row[name]:,g}" for name in names] for row in self.rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
        table = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
        ]
        return [*table, *(f"{name}: {value:,g}" for name, value in self.summary.items())]


def keep(results: list[Result] | Table, name: str) -> None:
    """Write `results` to results/NAME.json."""
    FOLDER.mkdir(exist_ok=True)
    if isinstance(results, Table):
        kept: object = asdict(results)
    else:
        kept = [{**asdict(result), "ratio": result.ratio} for result in results]
    (FOLDER / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
