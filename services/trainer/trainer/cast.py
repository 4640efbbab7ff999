"""Who votes on a project's items under a release, and in which order. Pure.

It is the autolabeler's cascade, told from recorded votes: functions and the student first, then LLM voters by
price, until a confidence is enough. What is enough depends on what is accepted at the time, so all steps are
told.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from labelmill.cost import typical_cost
from labelmill.events import Vote
from labelmill.pooling import FUNCTION
from labelmill.projects import ProjectSpec
from labelmill.releases import FineTunedModel, StudentModel
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Steps(NamedTuple):
    """The votes at hand after each step of the cascade. Not `is_complete`: the votes of a later step are not
    known."""

    votes: list[list[Vote]]
    is_complete: bool


class Cast:
    """The voters of a project, with the student and the fine-tuned model that a release gives them."""

    def __init__(
        self, spec: ProjectSpec, student: StudentModel | None, finetuned: FineTunedModel | None
    ) -> None:
        self.labels = spec.label_names
        named = next((voter.name for voter in spec.voters if voter.type == "student"), None)
        self._student = student if named is not None else None
        self._student_name = named or ""
        self._functions = {voter.name for voter in spec.voters if voter.type == "function"}
        llm = [voter for voter in spec.voters if voter.type == "llm"]
        self._models = {voter.name: voter.model for voter in llm}
        if finetuned is not None and finetuned.voter in self._models:
            self._models[finetuned.voter] = finetuned.model
        prices = sorted({typical_cost(voter) for voter in llm})
        self._tiers = [[voter.name for voter in llm if typical_cost(voter) == price] for price in prices]

    @property
    def student(self) -> StudentModel | None:
        """The student, if the release has one and the project lets it vote."""
        return self._student

    def steps(self, recorded: Sequence[Vote], shares: Floats | None) -> Steps:
        """Return the cascade's steps for an item with these votes.

        `shares` are the student's probabilities of its classes; None or NaN if they are not known. A recorded
        vote counts if its voter still has the model it was made with.
        """
        cheap = [vote for vote in recorded if vote.source == FUNCTION and vote.voter in self._functions]
        is_sure = False
        if self._student is not None:
            if shares is None or np.isnan(shares).any():
                return Steps([], is_complete=False)
            vote = self._student_vote(self._student, shares)
            cheap.append(vote)
            is_sure = vote.confidence >= self._student.sure_at
        steps = [cheap] if cheap else []
        return Steps(steps, is_complete=True) if is_sure else self._llm_steps(recorded, cheap, steps)

    def later(self, steps: Steps) -> list[tuple[str, ...]]:
        """Return the names of who votes in each step that is not known, functions apart."""
        cheap = (self._student_name,) if self._student is not None else ()
        names = [
            (*cheap, *(name for tier in self._tiers[: number + 1] for name in tier))
            for number in range(len(self._tiers))
        ]
        known = {tuple(v.voter for v in votes if v.source != FUNCTION) for votes in steps.votes}
        return [] if steps.is_complete else [each for each in names if each not in known]

    def _llm_steps(self, recorded: Sequence[Vote], cheap: list[Vote], steps: list[list[Vote]]) -> Steps:
        known = {vote.voter: vote for vote in recorded if self._models.get(vote.voter) == vote.version}
        votes = cheap
        for tier in self._tiers:
            if not all(name in known for name in tier):
                return Steps(steps, is_complete=False)
            votes = [*votes, *(known[name] for name in tier)]
            steps.append(votes)
        return Steps(steps, is_complete=True)

    def _student_vote(self, student: StudentModel, shares: Floats) -> Vote:
        known = dict(zip(student.classes, map(float, shares), strict=True))
        probabilities = {label: known.get(label, 0.0) for label in self.labels}
        label = max(probabilities, key=probabilities.__getitem__)
        return Vote(
            voter=self._student_name,
            version="",
            source="student",
            label=label,
            confidence=probabilities[label],
            probabilities=probabilities,
        )
