"""What is wrong with a project's definition though its types are right. Pure."""

import re
from itertools import pairwise
from typing import Final

import msgspec
import re2

from labelmill.errors import InvalidProject
from labelmill.kinds import kind_named
from labelmill.projects.review import EXPERT, ReviewSpec, SkillSpec
from labelmill.projects.spec import FunctionSpec, PolicySpec, ProjectSpec, VoterSpec

_INFINITY: Final = float("inf")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PYTHON: Final = re.compile(r"[A-Za-z_]\w*:[A-Za-z_]\w*")
_MOST_RATERS: Final = 9
_MOST_CALLS: Final = 32
_MOST_SKILLS: Final = 20
_SILENT: Final = re2.Options()
_SILENT.log_errors = False


def problems(spec: ProjectSpec) -> list[str]:
    """Return what is wrong, a sentence each; the field first."""
    training = spec.training
    checks = [
        (bool(_SLUG.fullmatch(spec.project)), "project: use a-z, 0-9, '-' and '_', at most 63 characters"),
        (2 <= len(spec.labels) <= 26, "labels: between 2 and 26 are needed (options are shown as letters)"),
        (len(set(spec.label_names)) == len(spec.labels), "labels: names must differ"),
        (all(name.strip() for name in spec.label_names), "labels: a name is empty"),
        (bool(spec.voters), "voters: at least one is needed"),
        (len({voter.name for voter in spec.voters}) == len(spec.voters), "voters: names must differ"),
        (_is_share(training.holdout_share, training.sure_accuracy), "training: rates lie between 0 and 1"),
        (training.trainer != "openai" or bool(training.base_model), "training.base_model is missing"),
        (training.min_decisions >= 1, "training.min_decisions: at least 1"),
        (training.every_corrections >= 1, "training.every_corrections: at least 1"),
        (training.max_age_hours > 0, "training.max_age_hours: more than 0"),
        (0 <= spec.minutes_per_decision < _INFINITY, "minutes_per_decision: 0 or more"),
        (0 <= spec.usd_per_hour < _INFINITY, "usd_per_hour: 0 or more"),
        (_is_amount(spec.budget.usd_per_day), "budget.usd_per_day: 0 or more"),
    ]
    found = [message for holds, message in checks if not holds]
    found += _kind_problems(spec.kind)
    found += _policy_problems(spec.policy, spec.label_names)
    found += [f"review.{problem}" for problem in _review_problems(spec.review, spec)]
    for voter in spec.voters:
        found += [f"voters.{voter.name}{problem}" for problem in _voter_problems(voter, spec.label_names)]
    return found


def _kind_problems(kind: str) -> list[str]:
    try:
        kind_named(kind)
    except InvalidProject as error:
        return [str(error)]
    return []


def _policy_problems(policy: PolicySpec, labels: list[str]) -> list[str]:
    always = policy.always_review
    rates = (policy.accept_threshold, policy.cold_start_threshold, policy.audit_rate, policy.max_audit_rate)
    target = policy.target_error
    checks = [
        (_is_share(*rates), "policy: rates lie between 0 and 1"),
        (1 <= policy.decisions_per_task <= _MOST_RATERS, "policy.decisions_per_task: 1 to 9"),
        (1 <= policy.audit_raters <= _MOST_RATERS, "policy.audit_raters: 1 to 9"),
        (target is None or 0 < target < 0.5, "policy.target_error: more than 0 and less than 0.5"),
        (0.5 <= policy.confidence < 1, "policy.confidence: 0.5 or more, and less than 1"),
        (
            target is None or 0 < policy.audit_rate <= policy.max_audit_rate,
            "policy.audit_rate: with a target_error more than 0, and at most max_audit_rate",
        ),
    ]
    found = [message for holds, message in checks if not holds]
    for name, wanted in (("labels", always.labels), ("expert_labels", always.expert_labels)):
        found += [f"policy.always_review.{name}{problem}" for problem in _strangers(wanted, labels)]
    return found


def _review_problems(review: ReviewSpec, spec: ProjectSpec) -> list[str]:
    overlap, gold, care, pay = review.overlap, review.gold, review.care, review.pay
    least = spec.policy.decisions_per_task
    hours = (care.active_hours_per_day, care.break_after_minutes, care.break_minutes)
    checks = [
        (review.sla_hours is None or 0 < review.sla_hours < _INFINITY, "sla_hours: more than 0"),
        (
            overlap.most_decisions == 0 or least <= overlap.most_decisions <= _MOST_RATERS,
            f"overlap.most_decisions: 0, or from decisions_per_task ({least}) to {_MOST_RATERS}",
        ),
        (
            least > 1 or not (overlap.most_decisions or overlap.adjudicate),
            "overlap: people can only differ with a policy.decisions_per_task of 2 or more",
        ),
        (0.5 <= overlap.agreement < 1, "overlap.agreement: 0.5 or more, and less than 1"),
        (
            _is_share(gold.rate, gold.bar) and gold.rate <= 0.5,
            "gold: a rate of at most 0.5, a bar of at most 1",
        ),
        (1 <= gold.min_answers <= 50, "gold.min_answers: 1 to 50"),
        (0 <= gold.training_tasks <= 100, "gold.training_tasks: 0 to 100"),
        (care.sensitive_per_day >= 0, "care.sensitive_per_day: 0 or more"),
        (all(_is_amount(value) for value in hours), "care: times are 0 or more"),
        (_is_amount(pay.usd_per_decision), "pay.usd_per_decision: 0 or more"),
        (_is_amount(pay.floor_usd_per_hour), "pay.floor_usd_per_hour: 0 or more"),
        (len({skill.name for skill in review.skills}) == len(review.skills), "skills: names must differ"),
        (len(review.skills) <= _MOST_SKILLS, f"skills: at most {_MOST_SKILLS}"),
    ]
    found = [message for holds, message in checks if not holds]
    for skill in review.skills:
        found += [f"skills.{skill.name}{problem}" for problem in _skill_problems(skill, spec.label_names)]
    return found


def _skill_problems(skill: SkillSpec, labels: list[str]) -> list[str]:
    checks = [
        (bool(_SLUG.fullmatch(skill.name)), ": use a-z, 0-9, '-' and '_', at most 63 characters"),
        (skill.name != EXPERT, f": {EXPERT!r} is the skill of those who adjudicate, and needs no rule"),
        (bool(skill.labels or skill.metadata), ": say by labels or metadata which tasks need it"),
        (1 <= skill.gold_needed <= 50, ".gold_needed: 1 to 50"),
    ]
    found = [message for holds, message in checks if not holds]
    return found + [f".labels{problem}" for problem in _strangers(skill.labels, labels)]


def _voter_problems(voter: VoterSpec, names: list[str]) -> list[str]:
    stated = (voter.input_usd_per_mtok, voter.output_usd_per_mtok)
    prices = [price for price in stated if price is not msgspec.UNSET]
    checks = [
        (voter.type != "llm" or bool(voter.model), ": an llm voter needs a model"),
        (1 <= voter.permutations <= len(names), ".permutations: 1 to the number of labels"),
        (1 <= voter.samples <= _MOST_CALLS, f".samples: 1 to {_MOST_CALLS}"),
        (0 <= voter.similar_examples <= _MOST_CALLS, f".similar_examples: 0 to {_MOST_CALLS}"),
        (
            voter.answer != "words" or not _one_begins_another(names),
            ".answer: words need labels none of which begins another",
        ),
        (all(_is_amount(price) for price in prices), ": a price is 0 or more"),
        (_is_share(voter.batch_discount or 0.0), ".batch_discount: between 0 and 1"),
        ((voter.type == "function") == (voter.function is not None), ".function: for type function only"),
    ]
    found = [message for holds, message in checks if not holds]
    shown = [example.label for example in voter.examples]
    found += [f".examples{problem}" for problem in _strangers(shown, names)]
    if voter.function is not None:
        found += [f".function{problem}" for problem in _function_problems(voter.function, names)]
    return found


def _function_problems(function: FunctionSpec, labels: list[str]) -> list[str]:
    rules = [function.keywords, function.regex, function.lookup, function.python]
    meant = [*function.keywords, *function.regex, *function.lookup.values()]
    checks = [
        (sum(bool(rule) for rule in rules) == 1, ": give one of keywords, regex, lookup and python"),
        (bool(function.field) == bool(function.lookup), ".field: a lookup needs one, and nothing else does"),
        (not function.python or bool(_PYTHON.fullmatch(function.python)), ".python: write module:function"),
        (0 < function.accuracy < 1, ".accuracy: more than 0 and less than 1"),
    ]
    found = [message for holds, message in checks if not holds]
    found += _strangers(meant, labels)
    return found + [problem for patterns in function.regex.values() for problem in _bad_patterns(patterns)]


def _strangers(wanted: list[str], labels: list[str]) -> list[str]:
    """Return a problem for each of the labels wanted that there is not."""
    return [
        f": {label!r} is none of the labels {', '.join(labels)}" for label in wanted if label not in labels
    ]


def _bad_patterns(patterns: list[str]) -> list[str]:
    found = []
    for pattern in patterns:
        try:
            re2.compile(pattern, _SILENT)
        except re2.error as error:
            found.append(f".regex: {pattern!r} is no RE2 pattern: {_said(error)}")
    return found


def _said(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _is_share(*rates: float) -> bool:
    return all(0 <= rate <= 1 for rate in rates)


def _is_amount(value: float | None) -> bool:
    return value is None or 0 <= value < _INFINITY


def _one_begins_another(names: list[str]) -> bool:
    folded = sorted(name.strip().casefold() for name in names)
    return any(later.startswith(earlier) for earlier, later in pairwise(folded))
