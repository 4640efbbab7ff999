"""The demo's items and the recorded ratings of people. Pure but for reading two files.

The system under test is given the items and the answers of the replayed raters, nothing else. What is
true (`gold`) comes from the other raters, and only the report reads it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from labelmill_cli.errors import CliError

REPLAYED = 5
"""The first ratings of an item, which stand in for the reviewers; the rest make the truth."""


@dataclass(frozen=True)
class Ratings:
    """What people said of one item, from -4 (very negative) to 4 (very positive), in recorded order."""

    replayed: tuple[int, ...]
    others: tuple[int, ...]

    def answer(self, reviewer: int) -> str:
        """Return the label of the `reviewer`-th replayed person (from 0) who took a side."""
        sides = [rating for rating in self.replayed if rating]
        return "positive" if sides[reviewer % len(sides)] > 0 else "negative"

    @property
    def gold(self) -> str:
        """The sign of the mean of the raters who were not replayed."""
        return "positive" if sum(self.others) > 0 else "negative"


@dataclass(frozen=True)
class Example:
    """A folder with a project, its items and the recorded ratings."""

    project: bytes
    items: list[bytes]
    """NDJSON lines, as ingestion takes them."""
    item_ids: list[str]
    ratings: dict[str, Ratings]


def load(folder: Path, limit: int | None = None) -> Example:
    """Return the example in `folder`, its first `limit` items. Raises CliError if a file is missing."""
    try:
        project = (folder / "project.yaml").read_bytes()
        items = (folder / "items.jsonl").read_bytes().splitlines()[:limit]
        raters = [json.loads(line) for line in (folder / "raters.jsonl").read_bytes().splitlines()]
    except FileNotFoundError as error:
        raise CliError(f"{error.filename} is missing: run the demo from a checkout of labelmill") from error
    ratings = {
        row["item_id"]: Ratings(tuple(row["ratings"][:REPLAYED]), tuple(row["ratings"][REPLAYED:]))
        for row in raters
    }
    return Example(project, items, [json.loads(item)["item_id"] for item in items], ratings)


def rounds(count: int, shares: tuple[float, ...]) -> list[range]:
    """Return the stretches of `count` items that the rounds take; `shares` add up to 1."""
    stops = [round(count * sum(shares[: number + 1])) for number in range(len(shares))]
    starts = [0, *stops[:-1]]
    return [range(start, stop) for start, stop in zip(starts, stops, strict=True)]
