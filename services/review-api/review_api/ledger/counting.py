"""What is counted of a batch, by project. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from labelmill.projects import ProjectSpec

from review_api.ledger.records import VoteCost

STUDENT = "student"


@dataclass(slots=True)
class Counts:
    """Additions to one minute of one project; the names are the columns."""

    items: int = 0
    accepted: int = 0
    requested: int = 0
    final_labels: int = 0
    student_only: int = 0
    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def add_votes(self, votes: Iterable[VoteCost], calls: Mapping[str, int]) -> float:
        """Count the votes of one route and return what they cost.

        A vote from the cache was paid for before. `calls` says how often a voter asks its model.
        """
        cost = 0.0
        student_only = True
        for vote in votes:
            if vote.source == STUDENT:
                continue
            student_only = False
            if not vote.cached:
                cost += vote.cost_usd
                self.llm_calls += calls.get(vote.voter, 1)
                self.input_tokens += vote.input_tokens
                self.output_tokens += vote.output_tokens
        self.cost_usd += cost
        self.student_only += student_only
        return cost


COLUMNS = [field.name for field in fields(Counts)]


def calls_per_vote(spec: ProjectSpec) -> dict[str, int]:
    """Return how many calls to its model each LLM voter of a project makes for a vote."""
    return {voter.name: voter.permutations for voter in spec.voters if voter.type == "llm"}
