"""The report says what was measured."""

import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evaluation.figures import FIGURES, apart
from benchmarks.evaluation.report import REPORT, read
from benchmarks.evaluation.running import jobs
from benchmarks.evaluation.tables import TABLES, filled

IMAGES = Path(__file__).parents[2] / "docs/images"
DOCUMENT = read()


def test_the_report_and_the_results_agree() -> None:
    text = REPORT.read_text()
    assert filled(text, DOCUMENT) == text, "run `python -m benchmarks.evaluation.report`"
    assert all(f"<!-- {name}: written by `make eval`, do not edit -->" in text for name in TABLES)


def test_the_claims_hold() -> None:
    assert DOCUMENT["promise"]["streams"] >= 500
    assert DOCUMENT["promise"]["broken_share"] <= 0.05
    assert DOCUMENT["promise"]["easy_coverage"] >= 0.5
    assert max(DOCUMENT["calibration"].values()) <= 0.05
    assert set(DOCUMENT["saving"]) == set(DOCUMENT["economics"]) == {"tweets", "bbc"}


def test_every_figure_stands_in_the_report_and_is_small() -> None:
    names = [f"evaluation-{each.__name__.replace('_', '-')}.png" for each in FIGURES]
    for name in names:
        picture = (IMAGES / name).read_bytes()
        assert f"(images/{name})" in REPORT.read_text()
        assert len(picture) < 120_000
        width, height = struct.unpack(">II", picture[16:24])
        assert width > height > 400


def test_only_what_is_between_markers_is_written() -> None:
    marked = "<!-- needed: written by `make eval`, do not edit -->\n{}<!-- /needed -->"
    text = "before\n" + marked.format("old\n") + "\nafter"
    found = filled(text, DOCUMENT)
    assert found.startswith("before\n")
    assert found.endswith("after")
    assert "old" not in found
    assert filled(found, DOCUMENT) == found
    assert filled("no marker", DOCUMENT) == "no marker"
    with pytest.raises(KeyError):
        filled(text.replace("needed", "nothing"), DOCUMENT)


def test_all_tables_have_as_many_cells_in_each_row() -> None:
    for table in TABLES.values():
        lines = table(DOCUMENT).splitlines()
        assert len(lines) > 2
        assert len({line.count("|") for line in lines}) == 1


def test_each_part_is_measured_on_each_data_set() -> None:
    parts = {"confidence", "loop"}
    expected = {f"{part} {name}" for part in parts for name in ("tweets", "bbc")}
    assert {name for name, _, _ in jobs()} == {"promise"} | expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_names_stand_apart_and_in_order(values: list[float]) -> None:
    placed = apart(values, 0.1)
    order = sorted(range(len(values)), key=lambda number: values[number])
    ordered = [placed[number] for number in order]
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(ordered))
    if len(values) == 1:
        assert placed == pytest.approx(values)
