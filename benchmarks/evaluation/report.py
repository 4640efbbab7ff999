"""Writes docs/evaluation.md from what was measured last: `python -m benchmarks.evaluation.report`."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.evaluation import figures, tables
from benchmarks.results import FOLDER

RESULT = FOLDER / "evaluation.json"
REPORT = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"
APART = ("injection", "memorised")
"""What is measured apart, with results of its own."""


def read() -> dict[str, Any]:
    """Return all that the report tells of."""
    apart = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in APART}
    return {**json.loads(RESULT.read_text()), **apart}


def write(document: dict[str, Any]) -> None:
    """Draw the figures and fill in the tables."""
    figures.draw(document)
    REPORT.write_text(tables.filled(REPORT.read_text(), document))


def main() -> int:
    write(read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
