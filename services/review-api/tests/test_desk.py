"""Which definition a decision is held to: the one in force, whenever its task was claimed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from labelmill.projects import LabelSpec, load_project
from labelmill.runtime.metrics import Metrics
from review_api.accounts.roles import Principal
from review_api.errors import ApiError
from review_api.projects.in_force import InForce
from review_api.projects.versions import Version
from review_api.settings import ReviewSettings
from review_api.tasks.desk import Desk
from review_api.tasks.store import Claimed, Facts, Lease, Standing, Verdict

ADA = Principal("ada", frozenset({"reviewer"}), on_page=True)
SPEC = load_project(
    "{project: p, title: P, labels: [{name: a}, {name: b}], guideline: G, voters: [{name: s, type: student}]}"
)
WIDER = msgspec.structs.replace(SPEC, labels=[*SPEC.labels, LabelSpec(name="c")])
TASK = Claimed(7, 1, 0, "i", "text", "{}", False, '"a"', 0.5, [], None, 1, "")


class Projects:
    version = Version(1, 1, SPEC)

    async def get(self, project: str) -> Version | None:
        return self.version if project == "p" else None


class Tasks:
    """One task for whoever asks."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.swept: list[str] = []
        self.asked: list[int] = []
        self.task = TASK

    async def with_answers(self, tasks: list[Claimed]) -> list[Claimed]:
        return tasks

    async def claim(
        self, project: str, reviewer: str, pools: Sequence[str], seconds: float, count: int
    ) -> list[Claimed]:
        assert pools == [""]
        return [self.task]

    async def reopen_expired(self, project: str) -> int:
        self.swept.append(project)
        return 0

    async def facts(self, task_id: int) -> Facts:
        self.asked.append(task_id)
        return Facts("p", 1, self.task.guideline_version)

    async def decide_alone(self, lease: Lease, verdict: Verdict) -> Standing:
        self.verdicts.append(verdict)
        return Standing(1, 1)


class Anybody:
    async def pools(self, by: Principal, version: Version) -> list[str]:
        return [""]


def desk_of(tasks: Tasks, projects: Projects) -> Desk:
    store: Any = tasks
    in_force: Any = InForce(projects)  # type: ignore[arg-type]
    entrance: Any = Anybody()
    return Desk(store, in_force, entrance, Metrics(), ReviewSettings())


async def test_a_label_that_is_new_since_the_claim_is_taken_under_the_new_guideline() -> None:
    tasks, projects = Tasks(), Projects()
    desk = desk_of(tasks, projects)
    await desk.claim(ADA, "p", 1)
    projects.version = Version(2, 2, WIDER)
    await desk.decide(ADA, 7, "1", "c")
    assert [(verdict.label, verdict.guideline_version) for verdict in tasks.verdicts] == [('"c"', 2)]
    with pytest.raises(ApiError, match="invalid_label"):
        await desk.decide(ADA, 7, "1", "d")


async def test_a_task_made_under_a_new_guideline_is_not_decided_under_the_old_one() -> None:
    """A campaign waits for labels by the guideline that it asks under: one by an older would be none."""
    tasks, projects = Tasks(), Projects()
    desk = desk_of(tasks, projects)
    await desk.claim(ADA, "p", 1)
    projects.version = Version(2, 2, SPEC)
    await desk.decide(ADA, 7, "1", "a")
    tasks.task = replace(TASK, fence=2, guideline_version=2)
    await desk.claim(ADA, "p", 1)
    await desk.decide(ADA, 7, "2", "a")
    assert [verdict.guideline_version for verdict in tasks.verdicts] == [1, 2], "the first is remembered"


async def test_a_made_up_project_is_refused_before_anything_is_done_for_it() -> None:
    tasks = Tasks()
    desk = desk_of(tasks, Projects())
    for number in range(5):
        with pytest.raises(ApiError, match="unknown_project"):
            await desk.claim(ADA, f"made-up-{number}", 1)
    assert tasks.swept == []
    assert desk._swept == {}


async def test_what_is_remembered_of_a_task_holds_for_its_lease_alone() -> None:
    """A task that is reviewed again needs more decisions than it did when it was claimed before."""
    tasks = Tasks()
    desk = desk_of(tasks, Projects())
    await desk.claim(ADA, "p", 1)
    await desk.decide(ADA, 7, "1", "a")
    assert tasks.asked == []
    await desk.claim(ADA, "p", 1)
    await desk.decide(Principal("bea", frozenset({"reviewer"}), on_page=True), 7, "2", "a")
    assert tasks.asked == [7]
