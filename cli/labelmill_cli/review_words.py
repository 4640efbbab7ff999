"""How a project's people review, in plain words, and what about it deserves a second look. Pure."""

from typing import Final

from labelmill.projects import ProjectSpec
from labelmill.projects.review import SkillSpec
from labelmill.promise.words import share

_FIRST: Final = {
    "uncertainty": "what the machine is least sure of",
    "margin": "where its two best labels are closest",
    "disagreement": "where the voters differ most",
    "diversity": "every cluster of texts in turn",
    "random": "chance",
    "oldest": "the oldest",
}


def review_lines(spec: ProjectSpec) -> list[str]:
    """Return what the section `review` does."""
    return [
        _order_line(spec),
        *(_skill_line(skill, spec) for skill in spec.review.skills),
        *_differ_line(spec),
        _gold_line(spec),
        *_sensitive_line(spec),
        _hours_line(spec),
        _pay_line(spec),
    ]


def review_warnings(spec: ProjectSpec) -> list[str]:
    """Return what about the section `review` deserves a second look."""
    care, pay = spec.review.care, spec.review.pay
    earned = _usd_per_hour(spec)
    checks = [
        (
            bool(care.sensitive) and care.sensitive_per_day == 0,
            "review.care.sensitive_per_day: 0 shows nobody what distresses: these tasks wait for ever",
        ),
        (
            earned < pay.floor_usd_per_hour,
            f"people earn ${earned:,.2f} an hour if a decision takes {spec.minutes_per_decision:g} minutes, "
            f"less than review.pay.floor_usd_per_hour, ${pay.floor_usd_per_hour:,.2f}",
        ),
    ]
    return [warning for holds, warning in checks if holds]


def _order_line(spec: ProjectSpec) -> str:
    hours = spec.review.sla_hours
    late = (
        "no age is too old (review.sla_hours)"
        if hours is None
        else f"after {hours:g} hours a task comes before anything new"
    )
    return f"order: first {_FIRST[spec.review.order]}; {late}"


def _skill_line(skill: SkillSpec, spec: ProjectSpec) -> str:
    takes = [
        *([f"the machine says {' or '.join(skill.labels)}"] if skill.labels else []),
        *(f"{name} is {' or '.join(values)}" for name, values in skill.metadata.items()),
    ]
    return (
        f"skill {skill.name}: who has it, and nobody else, decides where {', or '.join(takes)}; a manager "
        f"grants it, or {skill.gold_needed} of its gold tasks answered at {share(spec.review.gold.bar)}"
    )


def _differ_line(spec: ProjectSpec) -> list[str]:
    overlap = spec.review.overlap
    if not (overlap.most_decisions or overlap.adjudicate):
        return []
    more = (
        f"up to {overlap.most_decisions} people decide" if overlap.most_decisions else "nobody is asked more"
    )
    expert = ", and then an expert, whom a manager names" if overlap.adjudicate else ""
    return [f"where people differ: {more}{expert}"]


def _gold_line(spec: ProjectSpec) -> str:
    gold = spec.review.gold
    training = f"; newcomers begin with {gold.training_tasks} in training" if gold.training_tasks else ""
    takes = (
        f"; that takes at least {gold.least_items:,} gold items without a skill" if gold.least_items else ""
    )
    if gold.rate == 0.0:
        return f"gold: no hidden checks of people{training}{takes}"
    kept = ", and half of the gold is kept for hidden checks" if training else ""
    return (
        f"gold: {share(gold.rate)} of everybody's tasks are hidden checks, as far as there is gold; who "
        f"falls below {share(gold.bar)} in {gold.min_answers} or more is paused{training}{kept}{takes}"
    )


def _sensitive_line(spec: ProjectSpec) -> list[str]:
    care = spec.review.care
    if not care.sensitive:
        return []
    marks = "; ".join(f"{name} is {' or '.join(values)}" for name, values in care.sensitive.items())
    return [
        f"distressing: where {marks}; only for who has said that they would see them, "
        f"{care.sensitive_per_day} in 24 hours at most"
    ]


def _hours_line(spec: ProjectSpec) -> str:
    care = spec.review.care
    breaks = (
        f"a break of {care.break_minutes:g} minutes after {care.break_after_minutes:g}"
        if care.break_after_minutes
        else "no break is enforced"
    )
    return f"hours: {care.active_hours_per_day:g} in 24 at most; {breaks}"


def _pay_line(spec: ProjectSpec) -> str:
    pay = spec.review.pay
    rate = (
        f"${spec.usd_per_hour:,.2f} an hour"
        if pay.usd_per_decision is None
        else f"${pay.usd_per_decision:,.4g} a decision"
    )
    floor = f", alert below ${pay.floor_usd_per_hour:,.2f} an hour" if pay.floor_usd_per_hour else ""
    return f"pay: {rate}{floor}"


def _usd_per_hour(spec: ProjectSpec) -> float:
    each = spec.review.pay.usd_per_decision
    if each is None or spec.minutes_per_decision == 0.0:
        return spec.usd_per_hour
    return each * 60.0 / spec.minutes_per_decision
