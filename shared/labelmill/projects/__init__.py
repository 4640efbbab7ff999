"""A project's definition: what an operator writes, how it is read, and what can be wrong with it."""

from labelmill.projects.reading import load_project, project_from
from labelmill.projects.review import (
    CareSpec,
    GoldSpec,
    OverlapSpec,
    PaySpec,
    ReviewSpec,
    SkillSpec,
)
from labelmill.projects.spec import (
    AlwaysReview,
    BudgetSpec,
    Example,
    FunctionSpec,
    LabelSpec,
    PolicySpec,
    ProjectSpec,
    TrainingSpec,
    VoterSpec,
)

__all__ = [
    "AlwaysReview",
    "BudgetSpec",
    "CareSpec",
    "Example",
    "FunctionSpec",
    "GoldSpec",
    "LabelSpec",
    "OverlapSpec",
    "PaySpec",
    "PolicySpec",
    "ProjectSpec",
    "ReviewSpec",
    "SkillSpec",
    "TrainingSpec",
    "VoterSpec",
    "load_project",
    "project_from",
]
