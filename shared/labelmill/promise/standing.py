"""How a promise stands as audits and releases come: what the trainer publishes, and a replay works out.

Pure, as all of this package.
"""

from collections.abc import Sequence

import msgspec

from labelmill.acceptance import Acceptance, Threshold, floored
from labelmill.projects import ProjectSpec
from labelmill.promise import gate as gates
from labelmill.promise import raters, words
from labelmill.promise.gate import Audit, Gate, Promise
from labelmill.promise.raters import Pairs

RATER_ALPHA_SHARE = 0.2
"""Of the probability that the promise may fail, what the limit of the raters' error takes."""
_EARLIER = 2


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of a project, the promise it was worked out for, and what earlier releases had certified:
    their scores are still on the way when a new release comes into force."""

    promise: Promise
    gate: Gate
    earlier: list[Threshold] = []


def promise_of(spec: ProjectSpec, pairs: Pairs, family: int = 1) -> Promise | None:
    """Return what a project promises, given how its raters agree; None if it promises nothing.

    Of the raters' error a lower limit is taken: where several people decided few audits, it is 0. Each
    `family` of evidence (`Gate.family`) begins with a limit of its own, which takes its part of what all of
    them may take, as the family does.
    """
    policy = spec.policy
    if policy.target_error is None:
        return None
    alpha = (1 - policy.confidence) * RATER_ALPHA_SHARE / (family * (family + 1))
    error = raters.rater_error_low(*pairs, alpha=alpha)
    people = max(policy.audit_raters, policy.decisions_per_task)
    return Promise(
        target=policy.target_error,
        # What the raters' limit may take is taken from the promise's own share.
        confidence=1 - (1 - policy.confidence) * (1 - RATER_ALPHA_SHARE) if error else policy.confidence,
        audit_rate=policy.audit_rate,
        max_audit_rate=policy.max_audit_rate,
        labels=spec.label_names if policy.per_label else [],
        raters=people,
        rater_error=raters.majority_error(error, people) if error else 0.0,
    )


def judged(
    promise: Promise, standing: Standing | None, release: int, candidates: int, audits: Sequence[Audit]
) -> Standing:
    """Return the standing after `audits`.

    If the release or the promise is another than the standing's, `audits` are all that may serve the release;
    otherwise those that came since. Held-out decisions choose among candidates, so each of the `candidates`
    there ever were takes a share of what may go wrong, as if it had been judged.
    """
    if standing is None:
        # A promise may be made when releases have been chosen already.
        family = 1 + (candidates if release else 0)
        fresh = msgspec.structs.replace(gates.begin(promise, release), family=family)
        return Standing(promise=promise, gate=gates.observe(promise, fresh, audits))
    if starts_anew(promise, standing, release):
        counted = max(standing.gate.family, candidates + standing.gate.alarms)
        before = msgspec.structs.replace(standing.gate, family=counted)
        gate = gates.new_release(promise, before, release, audits)
        earlier = _earlier(standing, release) if _same_aim(promise, standing.promise) else []
        return Standing(promise=promise, gate=gate, earlier=earlier)
    gate = gates.observe(promise, standing.gate, audits)
    alarmed = gate.alarms > standing.gate.alarms
    return Standing(promise=promise, gate=gate, earlier=[] if alarmed else standing.earlier)


def starts_anew(promise: Promise, standing: Standing | None, release: int) -> bool:
    """Return whether all audits are to be judged again, and not only the new ones."""
    return standing is None or standing.gate.release != release or not _same_aim(promise, standing.promise)


def _same_aim(one: Promise, other: Promise) -> bool:
    """Return whether evidence for one promise is evidence for the other. A raters' error that is measured
    more exactly later on takes effect with the next release."""
    return (one.target, one.labels, one.raters) == (other.target, other.labels, other.raters) and (
        bool(one.rater_error) == bool(other.rater_error) and one.confidence == other.confidence
    )


def _earlier(standing: Standing, release: int) -> list[Threshold]:
    present = gates.acceptance(standing.promise, standing.gate).thresholds if standing.gate.is_open else []
    kept = [each for each in [*standing.earlier, *present] if each.release != release]
    return kept[-_EARLIER:]


def _untrained(promise: Promise, acceptance: Acceptance) -> Acceptance:
    """Return the acceptance with what the first release will need: how often raw votes err says nothing about
    it, and nothing they say is accepted."""
    fresh = gates.acceptance(promise, gates.begin(promise))
    return msgspec.structs.replace(
        acceptance, audits_missing=fresh.audits_missing, sentence=words.untrained(acceptance.audits)
    )


def published(spec: ProjectSpec, standing: Standing) -> Acceptance:
    """Return what is published of a standing. The confidence told is the operator's, and nothing below
    `acceptance.LEAST_CONFIDENCE` is accepted."""
    acceptance = gates.acceptance(standing.promise, standing.gate)
    if standing.gate.release == 0 and acceptance.state == "gathering":
        acceptance = _untrained(standing.promise, acceptance)
    return msgspec.structs.replace(
        acceptance,
        thresholds=[floored(each) for each in (*standing.earlier, *acceptance.thresholds)],
        confidence=spec.policy.confidence,
    )
