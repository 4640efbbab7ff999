"""How people review: the section `review` of a project's definition."""

from typing import Final, Literal

import msgspec

Order = Literal["uncertainty", "margin", "disagreement", "diversity", "random", "oldest"]

EXPERT: Final = "expert"
"""The skill of those who adjudicate."""


class SkillSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A skill that tasks can need: those whose machine label is one of `labels`, or whose metadata has one of
    the values given (field to values). Who has the skill may claim them; nobody else does."""

    name: str
    labels: list[str] = []
    metadata: dict[str, list[str]] = {}
    gold_needed: int = 5
    """Gold tasks of the skill that qualify a person, answered at least as well as the project's bar."""


class OverlapSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What happens when people differ: more of them decide, up to a limit, and then an expert."""

    most_decisions: int = 0
    """Decisions that a task may gather, at most; 0: those it needs anyway, however they differ."""
    agreement: float = 0.5
    """A label settles the task once more than this share of its decisions are for it."""
    adjudicate: bool = False
    """An expert, who sees the answers but not the names, decides what is still not settled then."""


class GoldSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Hidden checks of reviewers, by items whose true label is known."""

    rate: float = 0.0
    """Share of a person's tasks that are gold, as long as there is gold they have not answered."""
    bar: float = 0.7
    """Accuracy on gold below which a person is paused, and the decisions made since are reviewed again."""
    min_answers: int = 10
    """Gold answers before anybody is judged; a person's newest 50 count."""
    training_tasks: int = 0
    """Gold tasks that a newcomer does first, with the answer explained after each; 0: no training."""

    @property
    def least_items(self) -> int:
        """How many gold items without a skill it takes to train a person and to judge them afterwards. Where
        there are hidden checks, half of the gold is kept for these."""
        if self.rate <= 0:
            return self.training_tasks
        return max(2 * self.training_tasks, self.training_tasks + max(1, self.min_answers))


class CareSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What spares people: items that distress, and the length of a day's work."""

    sensitive: dict[str, list[str]] = {}
    """Metadata that marks an item as distressing (field to values): it is blurred until asked for, and only
    shown to people who have consented."""
    sensitive_per_day: int = 50
    """Distressing items that one person is shown in any 24 hours, at most."""
    active_hours_per_day: float = 8.0
    """Active hours in any 24 hours after which a person is given no more tasks."""
    break_after_minutes: float = 0.0
    """Active minutes without a pause after which a break is due; 0: none is enforced."""
    break_minutes: float = 5.0


class PaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What reviewers earn. By the hour, that is `usd_per_hour` of the project."""

    usd_per_decision: float | None = None
    """By the piece instead."""
    floor_usd_per_hour: float = 0.0
    """Effective pay for an hour of active time below which managers are alerted."""


class ReviewSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How tasks reach people, and what holds for these people."""

    order: Order = "uncertainty"
    """What comes first: where the machine is least sure, where its two best labels are closest, where voters
    differ most, every cluster of texts in turn, chance, or the oldest."""
    sla_hours: float | None = None
    """Age by which a task should be decided. Waiting lifts it in the queue: after this long it comes before
    anything new."""
    skills: list[SkillSpec] = []
    overlap: OverlapSpec = OverlapSpec()
    gold: GoldSpec = GoldSpec()
    care: CareSpec = CareSpec()
    pay: PaySpec = PaySpec()
