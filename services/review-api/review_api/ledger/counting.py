"""What is counted of a batch, by project. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from review_api.ledger.records import VoteCost

STUDENT = "student"
FUNCTION = "function"


@dataclass(slots=True)
class Counts:
    """Additions to one minute of one project; the names are the columns."""

    items: int = 0
    accepted: int = 0
    requested: int = 0
    accepted_again: int = 0
    requested_again: int = 0
    final_labels: int = 0
    student_only: int = 0
    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def add_votes(self, votes: Iterable[VoteCost]) -> float:
        """Count the votes of one route and return what they cost; one from the cache was paid for before."""
        cost = 0.0
        by_student = by_llm = False
        for vote in votes:
            if vote.source == STUDENT:
                by_student = True
            elif vote.source != FUNCTION:
                by_llm = True
            if not vote.cached:
                cost += vote.cost_usd
                self.llm_calls += vote.calls
                self.input_tokens += vote.input_tokens
                self.output_tokens += vote.output_tokens
        self.cost_usd += cost
        self.student_only += by_student and not by_llm
        return cost


COLUMNS = [field.name for field in fields(Counts)]
