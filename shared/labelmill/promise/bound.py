"""The lowest threshold at which blind audits certify the promised error, at every look.

For each threshold t of a fixed grid, the null hypothesis says that of the items scored at least t more than
`target` are wrong. Its e-process (`eprocess`) runs over the audits with a score of at least t, in the order
of decision; its peak P makes exp(-P) a p-value that is valid at any time. Thresholds are tested from strict
to lax as in Learn then Test (Angelopoulos et al. 2021), so that their number costs nothing: the first true
null on the way is rejected with probability at most alpha, and the ones beyond it are never reached.

A plain sequence is stuck for as long as its strictest threshold has too few audits. So alpha is shared over
several thresholds, each the start of a sequence towards the lax end; a sequence that reaches the next start
takes its share with it (the fallback procedure, Wiens & Dmitrienko 2005, J. Biopharm. Stat. 15:929). The
error rate over the whole family stays at most alpha, whatever the dependence between thresholds.

Every count is a function of the audits' order alone: looking more often changes nothing, and evidence that
is added in parts gives what it gives at once.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from labelmill.promise.eprocess import Bets, Floats, bets_below

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_NEVER = 64**3
"""Audits, 262,144, beyond which a threshold counts as out of reach."""


def _threshold(strictness: float) -> float:
    return max(1e-6, round(1.0 - 10.0**-strictness, 7))


THRESHOLDS: tuple[float, ...] = tuple(_threshold(eighth / 8.0) for eighth in range(48, -1, -1))
"""The fixed grid, strict to lax: 1 - 10**(-u) for u = 6, 5 7/8, ... 0, so 0.999999 ... 0.99 ... 0.9 ... 1e-6.

It reaches so far up because raw confidences of an LLM crowd there: with a grid up to 0.9999, half of what can
be accepted of overconfident streams was lost. A score of 0 is below all thresholds.
"""

STARTS: tuple[tuple[float, float], ...] = tuple(
    (_threshold(u), 1 / 6) for u in (6.0, 4.0, 2.5, 1.5, 0.75, 0.0)
)
"""Thresholds at which sequences start, and the share of alpha of each."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the audits so far say about each threshold; all lists have the length of `thresholds`.

    `audits` and `errors` count the audits with a score of at least the threshold, `peaks` are the highest
    log e-values since the first audit. `total` counts all audits, `total_errors` their errors.
    """

    target: float
    thresholds: list[float]
    audits: list[int]
    errors: list[int]
    peaks: list[float]
    total: int = 0
    total_errors: int = 0


class ThresholdFit(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence allows. Lists run over `thresholds`, strict to lax.

    `threshold`: the lowest certified one, None if there is none. `needed`: the log e-value that certifies
    each threshold as things stand. `missing`: blind audits still missing, over all scores, until the first
    (or once there is one, the next lower) threshold is certified, if errors go on at their present rate; None
    if at that rate it never is. `missing_at_best`: the same if no further error comes. `upper`:
    Clopper-Pearson upper bound of one look on the error above `threshold`, for display; 1 where nothing is
    certified. `audits_used` and `errors_used`: the counts behind it.
    """

    threshold: float | None
    thresholds: list[float]
    audits: list[int]
    errors: list[int]
    log_e: list[float]
    needed: list[float]
    certified: list[bool]
    missing: int | None
    missing_at_best: int
    upper: float
    audits_used: int
    errors_used: int


def empty(target: float, thresholds: Sequence[float] = THRESHOLDS) -> Evidence:
    """Return no evidence yet about `thresholds` (descending, fixed before the first audit is seen)."""
    if not thresholds or any(lax >= strict for strict, lax in pairwise(thresholds)):
        raise ValueError("thresholds are given from strict to lax, each once")
    size = len(thresholds)
    return Evidence(
        target=target, thresholds=list(thresholds), audits=[0] * size, errors=[0] * size, peaks=[0.0] * size
    )


def add(evidence: Evidence, scores: ArrayLike, errors: ArrayLike) -> Evidence:
    """Return the evidence with further audits, in the order of their decision.

    `scores` shape (audits,), 0 to 1; `errors` shape (audits,), true where people found another label.
    """
    wrong = np.asarray(errors, dtype=bool)
    if not len(wrong):
        return evidence
    above = np.asarray(scores, dtype=float) >= np.array(evidence.thresholds)[:, None]
    n = np.array(evidence.audits)[:, None] + np.cumsum(above, axis=1)
    k = np.array(evidence.errors)[:, None] + np.cumsum(above & wrong, axis=1)
    peaks = _peaks(evidence.target, n, k, above, wrong)
    return Evidence(
        target=evidence.target,
        thresholds=evidence.thresholds,
        audits=n[:, -1].tolist(),
        errors=k[:, -1].tolist(),
        peaks=np.maximum(peaks, evidence.peaks).tolist(),
        total=evidence.total + len(wrong),
        total_errors=evidence.total_errors + int(wrong.sum()),
    )


def _peaks(target: float, n: Integers, k: Integers, above: Booleans, wrong: Booleans) -> Floats:
    """Return the highest log e-value of each threshold, or 0; others: (thresholds, audits).

    Between two errors every bet only wins, so a peak lies just before an error or at the end. Where the
    errors are no fewer than the target allows, every bet against it has lost, so that no peak is above 0.
    """
    at = np.flatnonzero(wrong)
    n = np.concatenate([n[:, at] - above[:, at], n[:, -1:]], axis=1)
    k = np.concatenate([k[:, at] - above[:, at], k[:, -1:]], axis=1)
    promising = k < target * n
    values = np.zeros(n.shape)
    values[promising] = bets_below(target).log_e(n[promising], k[promising])
    highest: Floats = np.maximum(values.max(axis=1), 0.0)
    return highest


def certified(
    evidence: Evidence, alpha: float, starts: Sequence[tuple[float, float]] = STARTS
) -> float | None:
    """Return the lowest threshold certified at error probability `alpha`, None if there is none."""
    _, passed = _fallback(evidence, alpha, starts)
    return min((t for t, good in zip(evidence.thresholds, passed, strict=True) if good), default=None)


def judge(evidence: Evidence, alpha: float, starts: Sequence[tuple[float, float]] = STARTS) -> ThresholdFit:
    """Return what `evidence` certifies at error probability `alpha`, over all looks together."""
    levels, passed = _fallback(evidence, alpha, starts)
    lowest = max((i for i, good in enumerate(passed) if good), default=None)
    missing, at_best = _missing(evidence, levels, passed)
    n, k = (evidence.audits[lowest], evidence.errors[lowest]) if lowest is not None else (0, 0)
    return ThresholdFit(
        threshold=None if lowest is None else evidence.thresholds[lowest],
        thresholds=evidence.thresholds,
        audits=evidence.audits,
        errors=evidence.errors,
        log_e=evidence.peaks,
        needed=[-math.log(level) if level > 0.0 else math.inf for level in levels],
        certified=passed,
        missing=missing,
        missing_at_best=at_best,
        upper=upper_bound(n, k, alpha),
        audits_used=n,
        errors_used=k,
    )


def fit(
    scores: ArrayLike,
    errors: ArrayLike,
    *,
    target: float,
    alpha: float,
    thresholds: Sequence[float] = THRESHOLDS,
    starts: Sequence[tuple[float, float]] = STARTS,
) -> ThresholdFit:
    """Return what audits certify: `judge` of all of them at once.

    `scores` and `errors` shape (audits,), in the order of decision. To go on from there as audits come, keep
    the `Evidence` instead and `add` to it.
    """
    return judge(add(empty(target, thresholds), scores, errors), alpha, starts)


def fit_per_label(
    scores: ArrayLike,
    errors: ArrayLike,
    labels: Sequence[str],
    *,
    target: float,
    alpha: float,
    names: Sequence[str],
) -> dict[str, ThresholdFit]:
    """Return a fit for each of `names` on the audits whose machine's label it is, alpha shared evenly."""
    all_scores, all_errors, all_labels = np.asarray(scores), np.asarray(errors), np.asarray(labels)
    fits = {}
    for name in names:
        own = all_labels == name
        fits[name] = fit(all_scores[own], all_errors[own], target=target, alpha=alpha / len(names))
    return fits


def upper_bound(audits: int, errors: int, alpha: float) -> float:
    """Return the exact upper bound on an error rate at one look (Clopper & Pearson); 1 without audits."""
    if errors >= audits:
        return 1.0
    return float(betaincinv(errors + 1, audits - errors, 1.0 - alpha))


def _fallback(
    evidence: Evidence, alpha: float, starts: Sequence[tuple[float, float]]
) -> tuple[list[float], list[bool]]:
    """Return the level at which each threshold is tested, and whether it is certified."""
    shares = _shares(evidence.thresholds, starts)
    levels, passed, carried = [], [], 0.0
    for share, peak in zip(shares, evidence.peaks, strict=True):
        level = alpha * share + carried
        good = level > 0.0 and peak >= -math.log(level)
        levels.append(level)
        passed.append(good)
        carried = level if good else 0.0
    return levels, passed


def _shares(thresholds: Sequence[float], starts: Sequence[tuple[float, float]]) -> list[float]:
    """Return each threshold's share of alpha: a start's goes to the strictest threshold not above it."""
    shares = [0.0] * len(thresholds)
    for start, share in starts:
        place = next((i for i, threshold in enumerate(thresholds) if threshold <= start), len(shares) - 1)
        shares[place] += share
    total = sum(shares)
    return [share / total for share in shares]


def _missing(evidence: Evidence, levels: Sequence[float], passed: Sequence[bool]) -> tuple[int | None, int]:
    """Return how many audits over all scores the nearest threshold lacks: as errors go, and at best."""
    lowest = max((i for i, good in enumerate(passed) if good), default=-1)
    ahead = [i for i, level in enumerate(levels) if level > 0.0 and i > lowest and not passed[i]]
    if not ahead:
        return 0, 0
    n, k = np.array(evidence.audits, dtype=float)[ahead], np.array(evidence.errors, dtype=float)[ahead]
    needed, share = -np.log(np.array(levels)[ahead]), np.maximum(n, 1.0) / max(evidence.total, 1)
    rate = np.concatenate([k / np.maximum(n, 1.0), np.zeros(len(n))])
    more = _more(bets_below(evidence.target), np.tile(n, 2), np.tile(k, 2), np.tile(needed, 2), rate)
    as_it_goes, at_best = (more.reshape(2, -1) / share).min(axis=1).tolist()
    return (math.ceil(as_it_goes) if math.isfinite(as_it_goes) else None), math.ceil(min(at_best, _NEVER))


def _more(bets: Bets, n: Floats, k: Floats, needed: Floats, rate: Floats) -> Floats:
    """Return the audits that lift each log e-value to `needed` with errors at `rate`; inf if none do.

    Along that line the log e-value is convex and begins below `needed`, so it crosses it once. The
    crossing is found in rounds, each dividing what is left by 64.
    """
    low, step = np.zeros(len(n)), _NEVER // 64
    for _ in range(3):
        ahead = low + step * np.arange(1, 65)[:, None]
        reached = bets.log_e(n + ahead, k + rate * ahead) >= needed
        low = np.where(reached.any(axis=0), low + step * reached.argmax(axis=0), float(_NEVER))
        step //= 64
    return np.where(low < _NEVER, low + 1.0, np.inf)
