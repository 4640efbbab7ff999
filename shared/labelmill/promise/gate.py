"""One project's promise as a state machine: audits in, what may be accepted out.

The state is plain data. It depends on the audits and their order only, not on how they are cut into batches
or on when somebody looks, so it can be stored, or rebuilt from stored audits, with the same result.

Evidence belongs to a family: what one release's scores certify until an alarm. The j-th family may err with
probability alpha / (j (j+1)), which sums to alpha over all there ever are. A new release, and an alarm, begin
a new family.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from labelmill.acceptance import Acceptance, Threshold
from labelmill.promise import bound, monitor, raters, rates, words
from labelmill.promise.bound import Evidence, ThresholdFit
from labelmill.promise.monitor import Monitor

LOOK = 25
"""The evidence is judged whenever this many audits more have come in a family."""
NOTHING = 2.0
"""A threshold that no confidence reaches."""
_ALL = ""
"""The key under which a promise that is not made per label keeps its evidence."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised, and how many audits it may cost.

    `labels`: the label set if the promise is made for each label by itself, else empty. `rater_error`: lower
    limit of the error of an audit's truth (of the majority, where several decide), 0 if not measured.
    """

    target: float
    confidence: float = 0.95
    audit_rate: float = 0.02
    max_audit_rate: float = 0.2
    labels: list[str] = []
    raters: int = 1
    rater_error: float = 0.0

    @property
    def alpha(self) -> float:
        return 1.0 - self.confidence


class Audit(NamedTuple):
    """A blind audit that was decided.

    `seq` numbers the decisions; `score` is the confidence under the release judged, in 0..1; `error` is
    whether people found another label than the machine's `label`. `accepted`: it would have been accepted,
    had it not been drawn; `rate`: the probability with which it was drawn.
    """

    seq: int
    score: float
    error: bool
    label: str = _ALL
    accepted: bool = False
    rate: float = 1.0


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a project's promise.

    `target`: the error rate tested, corrected for raters. `evidence`, by label (or `""`), counts audits with
    `seq > alarm_seq`. `thresholds`, by label: what is certified; empty while closed. `accepted` and
    `errors` estimate the labels accepted so far, and the wrong ones, by weighting audits inversely.
    """

    release: int
    target: float
    evidence: dict[str, Evidence]
    watch: Monitor
    thresholds: dict[str, float] = {}
    family: int = 1
    alarm_seq: int = -1
    seq: int = -1
    alarms: int = 0
    alarm_error: float | None = None
    accepted: float = 0.0
    errors: float = 0.0

    @property
    def is_open(self) -> bool:
        return bool(self.thresholds)


def begin(promise: Promise, release: int = 0) -> Gate:
    """Return the gate before the first audit: closed."""
    target = raters.observed_target(promise.target, promise.rater_error)
    return Gate(
        release=release,
        target=target,
        evidence=_no_evidence(promise, target),
        watch=monitor.start(target, promise.alpha),
    )


def observe(promise: Promise, gate: Gate, audits: Sequence[Audit]) -> Gate:
    """Return the gate after further audits, in the order of decision; those already seen are passed over."""
    waiting = [audit for audit in audits if audit.seq > gate.seq]
    while waiting:
        counted = sum(each.total for each in gate.evidence.values())
        part = waiting[: LOOK - counted % LOOK]
        gate, read = _observe_part(promise, gate, part)
        waiting = waiting[read:]
    return gate


def new_release(promise: Promise, gate: Gate, release: int, audits: Sequence[Audit]) -> Gate:
    """Return the gate of another release, in a family of its own.

    `audits`: past ones with the scores, errors and labels of the new release, in order, without those that it
    was trained or calibrated on. Only those after the last alarm count. What was accepted before is kept in
    mind, as it was.
    """
    fresh = _new_family(promise, gate, release=release)
    past = [audit._replace(accepted=False) for audit in audits if audit.seq > gate.alarm_seq]
    judged = observe(promise, msgspec.structs.replace(fresh, seq=gate.alarm_seq), past)
    return msgspec.structs.replace(judged, seq=max(judged.seq, gate.seq))


def acceptance(promise: Promise, gate: Gate) -> Acceptance:
    """Return what is published: thresholds, audit rate, what is missing, and the sentence."""
    fits = _fits(promise, gate)
    used = [fit for fit in fits.values() if fit.threshold is not None] if gate.is_open else []
    audits, errors = sum(fit.audits_used for fit in used), sum(fit.errors_used for fit in used)
    total = sum(each.total for each in gate.evidence.values())
    total_errors = sum(each.total_errors for each in gate.evidence.values())
    missing, at_best = _missing(gate, fits)
    upper = max((fit.upper for fit in used), default=1.0)
    rater_error = raters.rater_error_in(gate.target, promise.target)
    return Acceptance(
        state="open" if gate.is_open else "gathering" if gate.alarm_error is None else "alarm",
        thresholds=[_published(promise, gate)],
        audit_rate=_rate(promise, gate, missing),
        audits=total,
        audit_errors=total_errors,
        audits_missing=at_best if missing is None else missing,
        error_bound=raters.machine_error(upper, rater_error) if used else 1.0,
        alarms=gate.alarms,
        sentence=_sentence(promise, gate, (audits, errors), (total, total_errors), (missing, at_best)),
        target_error=promise.target,
        confidence=promise.confidence,
        rater_error=rater_error,
    )


def _observe_part(promise: Promise, gate: Gate, part: Sequence[Audit]) -> tuple[Gate, int]:
    """Return the gate after the audits of one look, or up to the alarm, and how many were read."""
    watch = gate.watch
    read = len(part)
    if gate.is_open:
        watched = [place for place, audit in enumerate(part) if audit.accepted]
        watch = monitor.observe(watch, [part[place].error for place in watched])
        if watch.alarm:
            read = watched[watch.audits - gate.watch.audits - 1] + 1
    gate = _counted(gate, part[:read], watch)
    if watch.alarm:
        return _alarmed(promise, gate), read
    if sum(each.total for each in gate.evidence.values()) % LOOK == 0:
        gate = _judged(promise, gate)
    return gate, read


def _counted(gate: Gate, part: Sequence[Audit], watch: Monitor) -> Gate:
    stood_for = [(audit, 1.0 / audit.rate - 1.0) for audit in part if audit.accepted]
    evidence = dict(gate.evidence)
    for name, known in evidence.items():
        own = [audit for audit in part if name in (_ALL, audit.label)]
        if own:
            evidence[name] = bound.add(known, [a.score for a in own], [a.error for a in own])
    return msgspec.structs.replace(
        gate,
        evidence=evidence,
        watch=watch,
        seq=part[-1].seq,
        accepted=gate.accepted + sum(weight for _, weight in stood_for),
        errors=gate.errors + sum(weight for audit, weight in stood_for if audit.error),
    )


def _judged(promise: Promise, gate: Gate) -> Gate:
    alpha = _alpha(promise, gate)
    lowest = {name: bound.certified(evidence, alpha) for name, evidence in gate.evidence.items()}
    thresholds = {name: threshold for name, threshold in lowest.items() if threshold is not None}
    if thresholds == gate.thresholds:
        return gate
    return msgspec.structs.replace(gate, thresholds=thresholds, alarm_error=None)


def _fits(promise: Promise, gate: Gate) -> dict[str, ThresholdFit]:
    alpha = _alpha(promise, gate)
    return {name: bound.judge(evidence, alpha) for name, evidence in gate.evidence.items()}


def _alpha(promise: Promise, gate: Gate) -> float:
    """Return the error probability of the present family, for each label where there are several."""
    return promise.alpha / (gate.family * (gate.family + 1)) / len(gate.evidence)


def _alarmed(promise: Promise, gate: Gate) -> Gate:
    fresh = _new_family(promise, gate, release=gate.release)
    return msgspec.structs.replace(
        fresh,
        alarm_seq=gate.seq,
        alarms=gate.alarms + 1,
        alarm_error=gate.watch.errors / gate.watch.audits,
    )


def _new_family(promise: Promise, gate: Gate, *, release: int) -> Gate:
    target = raters.observed_target(promise.target, promise.rater_error)
    return msgspec.structs.replace(
        gate,
        release=release,
        target=target,
        evidence=_no_evidence(promise, target),
        watch=monitor.start(target, promise.alpha),
        thresholds={},
        family=gate.family + 1,
    )


def _no_evidence(promise: Promise, target: float) -> dict[str, Evidence]:
    return {name: bound.empty(target) for name in promise.labels or [_ALL]}


def _missing(gate: Gate, fits: dict[str, ThresholdFit]) -> tuple[int | None, int]:
    """Return the audits missing until more is accepted, as errors go and at best; over all labels."""
    total = sum(each.total for each in gate.evidence.values())
    if not gate.is_open and any(fit.threshold is not None for fit in fits.values()):
        return LOOK - total % LOOK, LOOK - total % LOOK
    ahead = [
        # What a label lacks comes among audits of the others.
        (fit, max(total, 1) / max(gate.evidence[name].total, 1))
        for name, fit in fits.items()
        if fit.missing_at_best
    ]
    as_it_goes = [math.ceil(fit.missing * spread) for fit, spread in ahead if fit.missing is not None]
    at_best = [math.ceil(fit.missing_at_best * spread) for fit, spread in ahead]
    return min(as_it_goes, default=None if ahead else 0), min(at_best, default=0)


def _rate(promise: Promise, gate: Gate, missing: int | None) -> float:
    if not gate.is_open:
        return 1.0
    return rates.audit_rate(
        floor=promise.audit_rate,
        ceiling=promise.max_audit_rate,
        missing=missing,
        target=gate.target,
        accepted=gate.accepted,
        errors=gate.errors,
        suspicion=gate.watch.evidence,
    )


def _published(promise: Promise, gate: Gate) -> Threshold:
    if promise.labels:
        return Threshold(release=gate.release, confidence=NOTHING, by_label=dict(gate.thresholds))
    return Threshold(release=gate.release, confidence=gate.thresholds.get(_ALL, NOTHING))


def _sentence(
    promise: Promise,
    gate: Gate,
    used: tuple[int, int],
    total: tuple[int, int],
    missing: tuple[int | None, int],
) -> str:
    rater_error = raters.rater_error_in(gate.target, promise.target)
    if gate.is_open:
        return words.promise(
            promise.target,
            promise.confidence,
            audits=used[0],
            errors=used[1],
            raters=promise.raters,
            rater_error=rater_error,
        )
    lack = words.gathering(*missing, audits=total[0], errors=total[1])
    if gate.alarm_error is None:
        return lack
    observed = raters.machine_error(gate.alarm_error, rater_error)
    return words.alarm(observed, promise.target, lack)
