"""The reference of the project's file names every field, and its example is a project."""

import re
from pathlib import Path

import msgspec
import pytest
from labelmill.projects import (
    AlwaysReview,
    BudgetSpec,
    CareSpec,
    FunctionSpec,
    GoldSpec,
    OverlapSpec,
    PaySpec,
    PolicySpec,
    ProjectSpec,
    ReviewSpec,
    SkillSpec,
    TrainingSpec,
    VoterSpec,
    load_project,
)

TEXT = (Path(__file__).parents[2] / "docs/project-file.md").read_text()
REVIEW = [ReviewSpec, OverlapSpec, GoldSpec, CareSpec, PaySpec]
TABLES = [BudgetSpec, PolicySpec, TrainingSpec, *REVIEW]
SPECS = [AlwaysReview, FunctionSpec, ProjectSpec, SkillSpec, VoterSpec, *TABLES]
SECTIONS = {"voters", "policy", "budget", "training", "review", "overlap", "gold", "care", "pay"}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_field_is_told(spec: type[msgspec.Struct]) -> None:
    told = set(re.findall(r"`(\w+)`", TEXT)) | SECTIONS
    assert {field.name for field in msgspec.structs.fields(spec)} <= told


@pytest.mark.parametrize("spec", TABLES, ids=lambda spec: spec.__name__)
def test_defaults_are_told_as_they_are(spec: type[msgspec.Struct]) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", TEXT, re.M))
    for field in msgspec.structs.fields(spec):
        if isinstance(field.default, bool):
            assert rows[field.name] == str(field.default).lower()
        elif isinstance(field.default, int | float):
            assert float(rows[field.name]) == field.default
        elif isinstance(field.default, str) and field.default:
            assert rows[field.name] == f"`{field.default}`"


def test_the_example_is_a_project() -> None:
    example = TEXT.split("```yaml\n")[1].split("```")[0]
    assert load_project(example).policy.target_error == 0.02
