"""The example with everything for people is a project that its own data fit."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from labelmill import provenance
from labelmill.projects import ProjectSpec, ReviewSpec, load_project
from labelmill_cli.app import build as command_line
from labelmill_cli.reading import csv_lines
from review_api.items.lines import Line
from review_api.items.screening import Outcome, read_items
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "examples/helpdesk"


@pytest.fixture(scope="module")
def spec(folder: Path) -> ProjectSpec:
    return load_project((folder / "project.yaml").read_bytes())


def test_it_uses_everything_for_people(spec: ProjectSpec) -> None:
    usual = ReviewSpec()
    unused = [
        field.name
        for field in msgspec.structs.fields(ReviewSpec)
        if getattr(spec.review, field.name) == getattr(usual, field.name)
    ]
    assert unused == []


def test_the_guideline_is_the_one_in_markdown(folder: Path, spec: ProjectSpec) -> None:
    assert spec.guideline.strip() == (folder / "guideline.md").read_text().strip()


def test_policy_check_runs(folder: Path) -> None:
    result = CliRunner().invoke(command_line(), ["policy", "check", str(folder / "project.yaml")])
    assert result.exit_code == 0, result.output
    assert "overlap: 2 people for each item" in result.output


def test_every_item_is_taken_and_says_where_it_comes_from(folder: Path, spec: ProjectSpec) -> None:
    with (folder / "items.csv").open("rb") as source:
        lines = [Line(number, line) for number, line in csv_lines(source, None, None)]
    outcome = Outcome()
    items = [each.item for each in read_items(spec.project, lines, 0, outcome)]
    assert (len(items), outcome.rejected) == (40, [])
    assert all(set(provenance.of(item.metadata)) == set(provenance.FIELDS) for item in items)
    (field, values), *_ = spec.review.care.sensitive.items()
    distressing = [item for item in items if item.metadata.get(field) in values]
    assert 0 < len(distressing) < spec.review.care.sensitive_per_day


def test_gold_suffices_for_training_and_the_skill(folder: Path, spec: ProjectSpec) -> None:
    gold: list[dict[str, Any]] = [
        msgspec.json.decode(line) for line in (folder / "gold.jsonl").read_bytes().splitlines()
    ]
    assert {one["label"] for one in gold} == set(spec.label_names)
    assert all(one["explanation"] for one in gold)
    (skill,) = spec.review.skills
    of_skill = [one for one in gold if one.get("skill") == skill.name]
    assert len(of_skill) >= skill.gold_needed
    assert len(gold) - len(of_skill) >= spec.review.gold.least_items
