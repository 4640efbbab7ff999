"""What a project's policy will do, in plain words, and what about it deserves a second look. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from labelmill.projects import PolicySpec, ProjectSpec, VoterSpec
from labelmill.promise.monitor import audits_to_alarm
from labelmill.promise.raters import Pairs
from labelmill.promise.standing import judged, promise_of, published
from labelmill.promise.words import share, truth

from labelmill_cli.review_words import review_lines, review_warnings

_MANY_AUDITS: Final = 2000
"""Audits without an error, beyond which a target counts as hard to prove."""
_WORSE: Final = 3.0
"""Times the target, at which it is told how soon the alarm would come."""
_DEFAULT_SEED: Final = PolicySpec().audit_seed

_WHEN_SPENT: Final = {
    "park": "items wait for the next day",
    "people": "items go to people without the voters that cost",
    "cheaper": "the dearest voters are left out first, and the policy decides on the others' votes",
}


class Words(NamedTuple):
    """Sentences about a policy."""

    lines: list[str]
    warnings: list[str]


def explained(spec: ProjectSpec) -> Words:
    """Return what the policy of a project does."""
    accepts = _promise_lines(spec) if spec.policy.target_error is not None else _threshold_lines(spec)
    lines = [*accepts, *_people_lines(spec), *review_lines(spec), _budget_line(spec)]
    return Words(lines, [*_warnings(spec), *review_warnings(spec)])


def free_of_charge(models: Sequence[str]) -> list[str]:
    """Return what is to be said of models that cost nothing by the token."""
    if not models:
        return []
    verb, runs = ("costs", "it runs") if len(models) == 1 else ("cost", "they run")
    return [f"{', '.join(models)} {verb} nothing by the token: {runs} on your own machine"]


def audits_needed(spec: ProjectSpec) -> int:
    """Return how many blind audits the promise needs at least under its first release, none of them wrong."""
    promise = promise_of(spec, Pairs(0, 0))
    if promise is None:
        raise ValueError("a policy without a target_error needs no audits")
    before = judged(promise, None, 0, 1, [])
    return published(spec, judged(promise, before, 1, 1, [])).audits_missing


def _promise_lines(spec: ProjectSpec) -> list[str]:
    policy, target = spec.policy, spec.policy.target_error or 0.0
    needed = audits_needed(spec)
    each = " for each label by itself" if policy.per_label else ""
    raters = max(policy.audit_raters, policy.decisions_per_task)
    hours = needed * raters * spec.minutes_per_decision / 60.0
    lowest, highest = share(policy.audit_rate), share(policy.max_audit_rate)
    alpha = 1.0 - policy.confidence
    return [
        f"promise: at most {share(target)} of accepted labels {truth(raters, 0.0)}, "
        f"with {share(policy.confidence)} confidence over all looks{each}",
        "until evidence proves it, people decide everything, blind; nothing is accepted before the first "
        f"release, which takes {spec.training.min_decisions:,} decisions",
        f"evidence{each}: at least {needed:,} blind audits without an error, about {hours:,.1f} hours of "
        "people's time, and more for each error; it also sets the threshold, so accept_threshold and "
        "cold_start_threshold are not used",
        f"then audits: {lowest} to {highest} of all items, blind, as many as the promise needs; "
        f"{_people(raters)} each",
        *_alarm_line(target, alpha, policy.audit_rate),
    ]


def _alarm_line(target: float, alpha: float, audit_rate: float) -> list[str]:
    worse = min(1.0, _WORSE * target)
    audits = audits_to_alarm(target, worse, alpha)
    if audits is None:
        return []
    return [
        f"alarm: should the error rise to {share(worse)}, acceptance closes within {audits:,} audits of "
        f"accepted labels in 95% of cases; that is {round(audits / audit_rate):,} of them at the least rate"
    ]


def _threshold_lines(spec: ProjectSpec) -> list[str]:
    policy = spec.policy
    raters = max(policy.audit_raters, policy.decisions_per_task)
    audits = f"audits: {share(policy.audit_rate)} of what would be accepted, blind; {_people(raters)} each"
    return [
        f"accepted: labels with a confidence of at least {policy.accept_threshold:g}; before the first "
        f"release {policy.cold_start_threshold:g}, of confidences that nothing has checked yet",
        "no error is promised: policy.target_error would be such a promise",
        audits if policy.audit_rate > 0.0 else "audits: none",
    ]


def _people_lines(spec: ProjectSpec) -> list[str]:
    policy, always = spec.policy, spec.policy.always_review
    parts = [
        *(["everything (always_review.subjective)"] if always.subjective else []),
        *([f"labels {', '.join([*always.labels, *always.expert_labels])}"] if _reviewed(spec) else []),
        *(f"metadata {name} {' or '.join(values)}" for name, values in always.metadata.items()),
        *([f"sensitivity {' or '.join(always.sensitivity)}"] if always.sensitivity else []),
        *(["items on which the voters differ"] if policy.disagreement and len(spec.voters) > 1 else []),
        "texts that seem to instruct the LLM",
    ]
    return [
        f"always to people: {'; '.join(parts)}",
        f"overlap: {_people(policy.decisions_per_task)} for each item that is not accepted",
    ]


def _budget_line(spec: ProjectSpec) -> str:
    cap = spec.budget.usd_per_day
    if cap is None:
        return "budget: no cap"
    return f"budget: ${cap:,.2f} a day; once it is spent, {_WHEN_SPENT[spec.budget.when_spent]}"


def _warnings(spec: ProjectSpec) -> list[str]:
    checks = _promise_checks(spec) if spec.policy.target_error is not None else _threshold_checks(spec)
    return [warning for holds, warning in [*checks, *_other_checks(spec)] if holds]


def _promise_checks(spec: ProjectSpec) -> list[tuple[bool, str]]:
    policy = spec.policy
    needed = audits_needed(spec)
    return [
        (
            needed > _MANY_AUDITS,
            f"target_error {policy.target_error:g} takes {needed:,} audits without one error: most projects "
            "never get there",
        ),
        (
            max(policy.audit_raters, policy.decisions_per_task) == 1,
            "one person decides each audit: the promise is relative to one person, whose slips count as the "
            "machine's errors; with more audit_raters it allows for them",
        ),
        (
            policy.always_review.subjective or _reviewed(spec) >= set(spec.label_names),
            "always_review takes everything: the promise never accepts anything",
        ),
    ]


def _threshold_checks(spec: ProjectSpec) -> list[tuple[bool, str]]:
    policy = spec.policy
    return [
        (policy.audit_rate == 0.0, "audit_rate: 0 leaves the error of what is accepted unknown for ever"),
        (
            policy.cold_start_threshold < policy.accept_threshold,
            "cold_start_threshold is below accept_threshold: more is accepted before anything is learned",
        ),
        (
            policy.accept_threshold <= 1.0 / len(spec.labels),
            f"accept_threshold {policy.accept_threshold:g} accepts guesses: with {len(spec.labels)} labels "
            f"no confidence is below {1.0 / len(spec.labels):.2g}",
        ),
    ]


def _other_checks(spec: ProjectSpec) -> list[tuple[bool, str]]:
    policy, types = spec.policy, {voter.type for voter in spec.voters}
    return [
        (
            types == {"student"},
            "the student is the only voter: before the first release nothing votes, and people decide all",
        ),
        (
            "function" in types and "llm" not in types,
            "there is no LLM: where no function matches and no student is trained yet, nothing votes, and "
            "people decide",
        ),
        (
            policy.disagreement and len(spec.voters) == 1,
            "disagreement has no effect: there is one voter",
        ),
        (
            # Of the default nothing is to be said: nobody set it.
            PolicySpec().audit_raters < policy.audit_raters < policy.decisions_per_task,
            f"audit_raters has no effect: decisions_per_task asks for {policy.decisions_per_task}",
        ),
        (
            policy.audit_seed == _DEFAULT_SEED,
            "audit_seed is the one that everybody knows: who sends items can foresee which are audited",
        ),
        (
            spec.budget.usd_per_day is None and any(_may_cost(voter) for voter in spec.voters),
            "budget.usd_per_day is not set: nothing limits what the LLM may cost",
        ),
    ]


def _may_cost(voter: VoterSpec) -> bool:
    return voter.type == "llm" and (voter.input_usd_per_mtok, voter.output_usd_per_mtok) != (0.0, 0.0)


def _reviewed(spec: ProjectSpec) -> set[str]:
    always = spec.policy.always_review
    return {*always.labels, *always.expert_labels}


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
