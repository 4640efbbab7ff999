"""The lineage of an item in the order of time, as far as somebody may see it. Pure.

Every event has `at` (Unix milliseconds) and `type`; what else it has depends on the type and is described in
`LineageEvent`. Where labels are withheld, the fields that would tell one are missing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

from labelmill.projects.review import EXPERT

from review_api.items.sight import Sight
from review_api.tasks.pools import DISTRESSING

Part = Mapping[str, Any]
Event = dict[str, Any]

# What happens in the same millisecond happens in this order.
EventType = Literal[
    "ingested",
    "scored",
    "routed",
    "task_opened",
    "task_withdrawn",
    "decided",
    "commented",
    "flagged",
    "flag_resolved",
    "settled",
    "rereview_opened",
    "rereview_settled",
    "label_replaced",
]
_ORDER: Final = get_args(EventType)

_TELLING: Final = frozenset(
    {
        "label",
        "label_before",
        "confidence",
        "probabilities",
        "votes",
        "audit",
        "reasons",
        "propensity",
        "calibrated",
        "over_budget",
        "suspicious",
        "changed",
        "cost_usd",
        "text",
        "answer",
    }
)
"""What could sway a person who has yet to decide: also why and how surely the item was routed."""


def timeline(parts: Mapping[str, Any], sight: Sight) -> list[Event]:
    """Return what happened to an item; `parts` as `ItemStore.lineage` gives them, decoded."""
    events = [
        *_arrival(parts["item"]),
        *_machine(parts["routes"], parts["votes"], parts["tasks"]),
        *_tasks(parts["tasks"]),
        *_withdrawals(parts),
        *_replacements(parts["earlier_labels"]),
        *(_decision(each, parts["tasks"], sight) for each in parts["decisions"]),
        *_remarks(parts, sight),
    ]
    events.sort(key=lambda event: (event["at"], _ORDER.index(event["type"])))
    return events if sight.labels else [_without_labels(event) for event in events]


def holders(parts: Mapping[str, Any], sight: Sight) -> list[Event]:
    """Return who has the item in hand now, and since when."""
    return [
        {
            "task_id": task["task_id"],
            "who": _who(one["reviewer"], sight),
            "since": one["leased_at"],
            "until": one["lease_until"],
        }
        for task in parts["tasks"]
        for one in task["assignments"] or ()
        if one["state"] == "leased"
    ]


def state(parts: Mapping[str, Any]) -> str:
    """Return where the item is: `scoring`, `in_hand`, `waiting`, `reviewed_again` or `final`."""
    if not parts["routes"]:
        return "scoring"
    states = {one["state"] for task in parts["tasks"] for one in task["assignments"] or ()}
    if "leased" in states:
        return "in_hand"
    if states - {"decided"}:
        again = any(task["rereview"] and task["rereview"]["settled_at"] is None for task in parts["tasks"])
        return "reviewed_again" if again else "waiting"
    return "final"


def _arrival(item: Part | None) -> Iterable[Event]:
    if item is not None:
        yield {"type": "ingested", "at": item["ingested_at"], "content_hash": item["content_hash"]}


def _machine(routes: Iterable[Part], votes: Iterable[Part], tasks: Iterable[Part]) -> Iterable[Event]:
    rates = {task["guideline_version"]: task["audit_rate"] for task in tasks}
    for route in routes:
        guideline = route["guideline_version"]
        versions = {
            "guideline_version": guideline,
            "release": route["release"],
            "project_version": route["project_version"],
        }
        scored = (
            "label",
            "confidence",
            "probabilities",
            "calibrated",
            "over_budget",
            "suspicious",
            "cost_usd",
        )
        yield {
            "type": "scored",
            "at": route["scored_at"],
            **versions,
            **{name: route[name] for name in scored},
            "votes": [_vote(vote) for vote in votes if vote["guideline_version"] == guideline],
        }
        yield {
            "type": "routed",
            "at": route["routed_at"],
            **versions,
            "outcome": route["outcome"],
            **({"label": route["label"]} if route["outcome"] == "accepted" else {}),
            "reasons": route["reasons"],
            "propensity": route["propensity"],
            "audit": "audit" in route["reasons"] or rates.get(guideline, 0.0) > 0,
        }


def _vote(vote: Part) -> Event:
    return {name: value for name, value in vote.items() if name != "guideline_version"}


def _tasks(tasks: Iterable[Part]) -> Iterable[Event]:
    for task in tasks:
        about = {"task_id": task["task_id"], "guideline_version": task["guideline_version"]}
        again = task["rereview"]
        yield {
            "type": "task_opened",
            "at": task["created_at"],
            **about,
            "blind": task["blind"],
            "needed": task["needed"],
        }
        if again is not None:
            opened = {"label_before": again["label_before"]}
            yield {"type": "rereview_opened", "at": again["opened_at"], **about, **opened}
        if again is not None and again["settled_at"] is not None:
            outcome = {"label": task["label"], "changed": again["changed"]}
            yield {"type": "rereview_settled", "at": again["settled_at"], **about, **outcome}
        elif task["decided"] == task["needed"] and task["decided_at"] is not None:
            yield {"type": "settled", "at": task["decided_at"], **about, "label": task["label"]}


def _withdrawals(parts: Mapping[str, Any]) -> Iterable[Event]:
    """A task that evidence made needless is gone; its route, and the machine's final label, tell of it."""
    final = parts["final_label"]
    kept = {task["guideline_version"] for task in parts["tasks"]}
    for route in parts["routes"]:
        guideline = route["guideline_version"]
        is_machines = final is not None and (final["source"], final["routed_under"]) == ("machine", guideline)
        if route["outcome"] == "requested" and guideline not in kept and is_machines:
            about = {"guideline_version": guideline, "label": final["label"]}
            yield {"type": "task_withdrawn", "at": final["decided_at"], **about}


def _replacements(earlier: Iterable[Part]) -> Iterable[Event]:
    for one in earlier:
        shown = ("label", "source", "guideline_version", "decided_at")
        yield {
            "type": "label_replaced",
            "at": one["replaced_at"],
            **{name: one[name] for name in shown},
        }


def _decision(decision: Part, tasks: Iterable[Part], sight: Sight) -> Event:
    part = next(
        one
        for task in tasks
        if task["task_id"] == decision["task_id"]
        for one in task["assignments"]
        if one["slot"] == decision["slot"]
    )
    shown = ("task_id", "label", "seconds", "guideline_version")
    return {
        "type": "decided",
        "at": decision["decided_at"],
        **{name: decision[name] for name in shown},
        "who": _who(decision["reviewer"], sight),
        "again": part["again"],
        "expert": part["pool"].removesuffix(DISTRESSING) == EXPERT,
    }


def _remarks(parts: Mapping[str, Any], sight: Sight) -> Iterable[Event]:
    """What people said beside the label; reviewers are told of what was said to them, and by them."""
    for comment in parts["comments"]:
        who = _who(comment["reviewer"], sight)
        if sight.names or who["you"] or comment["audience"] == "raters":
            yield {"type": "commented", "who": who, **{n: comment[n] for n in ("at", "text", "audience")}}
    for flag in parts["flags"]:
        who = _who(flag["reviewer"], sight)
        if not (sight.names or who["you"]):
            continue
        yield {"type": "flagged", "who": who, "flag": flag["reason"], **{n: flag[n] for n in ("at", "text")}}
        if flag["resolved_at"] is not None:
            resolved = {"who": _who(flag["resolved_by"], sight), "answer": flag["answer"]}
            yield {"type": "flag_resolved", "at": flag["resolved_at"], **resolved}


def _who(reviewer: str, sight: Sight) -> Event:
    """Name a person to those who may know; `you` tells everybody of their own."""
    return {"name": reviewer if sight.names else None, "you": reviewer == sight.name}


def _without_labels(event: Event) -> Event:
    return {name: value for name, value in event.items() if name not in _TELLING}
