"""From the exported labels to the report's figures. Pure. The only reader of the gold labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labelmill_cli.demo.data import Ratings


@dataclass(frozen=True)
class Prices:
    """What a person costs; money is US dollars."""

    minutes_per_decision: float
    usd_per_hour: float

    def human_usd(self, decisions: float) -> float:
        return decisions * self.minutes_per_decision / 60 * self.usd_per_hour


@dataclass(frozen=True)
class Observed:
    """What the system itself reported of one round. Counts are this round's alone."""

    seconds_to_route: float
    """From the first item sent until the last was accepted or handed to people."""
    release: int
    """The release in force while the round ran; 0 before the first."""
    decisions: int
    llm_calls: int
    student_only: int
    llm_usd: float


@dataclass(frozen=True)
class Round:
    """One round of the report."""

    round: int
    items: int
    accuracy: float
    """Share of the final labels that equal gold."""
    machine_accuracy: float
    """Share of the machine's labels that equal gold, before people."""
    accepted_accuracy: float
    """The same among the labels accepted without a person."""
    human_share: float
    items_per_s: float
    release: int
    decisions: int
    llm_calls: int
    student_only: int
    money: float
    """What this round cost: LLM tokens and people."""
    human_minutes: float


def _share(hits: int, of: int) -> float:
    return round(hits / of, 4) if of else 0.0


def measure_round(
    number: int,
    *,
    labels: Sequence[Mapping[str, Any]],
    machine_labels: Mapping[str, str],
    ratings: Mapping[str, Ratings],
    observed: Observed,
    prices: Prices,
) -> Round:
    """Return a round's figures from its final labels and what the machine alone said."""
    gold = {label["item_id"]: ratings[label["item_id"]].gold for label in labels}
    accepted = [label for label in labels if label["source"] == "machine"]
    return Round(
        round=number,
        items=len(labels),
        accuracy=_share(sum(label["label"] == gold[label["item_id"]] for label in labels), len(labels)),
        machine_accuracy=_share(sum(machine_labels[item] == gold[item] for item in gold), len(gold)),
        accepted_accuracy=_share(sum(a["label"] == gold[a["item_id"]] for a in accepted), len(accepted)),
        human_share=_share(len(labels) - len(accepted), len(labels)),
        items_per_s=round(len(labels) / observed.seconds_to_route, 1),
        release=observed.release,
        decisions=observed.decisions,
        llm_calls=observed.llm_calls,
        student_only=observed.student_only,
        money=round(observed.llm_usd + prices.human_usd(observed.decisions), 4),
        human_minutes=round(observed.decisions * prices.minutes_per_decision, 2),
    )


def report(
    rounds: Sequence[Round],
    *,
    final_labels: int,
    seconds: float,
    ratings: Mapping[str, Ratings],
    prices: Prices,
) -> dict[str, Any]:
    """Return the whole report, as it is written to `report.json`."""
    items = sum(each.items for each in rounds)
    alone = prices.human_usd(items)
    spent = sum(each.money for each in rounds)
    minutes, minutes_alone = sum(each.human_minutes for each in rounds), items * prices.minutes_per_decision
    return {
        "items": items,
        "final_labels": final_labels,
        "seconds": round(seconds, 1),
        "accuracy": _share(round(sum(each.accuracy * each.items for each in rounds)), items),
        "one_rater_accuracy": _share(sum(r.answer(0) == r.gold for r in ratings.values()), len(ratings)),
        "rounds": [asdict(each) for each in rounds],
        "money": {
            "spent": round(spent, 4),
            "humans_alone": round(alone, 4),
            "saved": round(alone - spent, 4),
            "minutes_per_decision": prices.minutes_per_decision,
            "usd_per_hour": prices.usd_per_hour,
        },
        "human_minutes": {
            "spent": round(minutes, 1),
            "humans_alone": round(minutes_alone, 1),
            "saved": round(minutes_alone - minutes, 1),
        },
    }
