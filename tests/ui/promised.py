"""What the trainer says of a promise, as example data: the figures fit together, nobody measured them."""

import math
import time
from typing import Any

from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import AcceptancePublished, QualityPublished, encode
from labelmill.quality import Quality, ReliabilityBin, RiskPoint, Slice, SliceExample, Suspect
from labelmill.runtime.publisher import OutRecord
from labelmill.topics import ACCEPTANCE, QUALITY

from .workplace import Workplace, until

OPEN = Acceptance(
    state="open",
    thresholds=[Threshold(release=4, confidence=0.92)],
    audit_rate=0.062,
    audits=1236,
    audit_errors=150,
    audits_missing=140,
    error_bound=0.0172,
    alarms=0,
    sentence="At most 2% of accepted labels differ from what one person would say "
    "(95% confidence, over all looks; 736 audits, 4 errors).",
    target_error=0.02,
    confidence=0.95,
)

# By confidence, the surest last: decisions, and how many of them were errors.
_BINS = {
    0.56: (122, 58),
    0.67: (128, 42),
    0.78: (126, 26),
    0.86: (124, 20),
    0.92: (132, 2),
    0.96: (124, 2),
    0.985: (236, 0),
    0.995: (244, 0),
}
_DECISIONS = sum(decisions for decisions, _ in _BINS.values())


def _bin(confidence: float) -> ReliabilityBin:
    decisions, errors = _BINS[confidence]
    low, high = _wilson(decisions - errors, decisions)
    return ReliabilityBin(
        confidence=confidence, accuracy=1 - errors / decisions, low=low, high=high, decisions=decisions
    )


def _point(confidence: float) -> RiskPoint:
    within = [counts for sure, counts in _BINS.items() if sure >= confidence]
    decisions, errors = (sum(column) for column in zip(*within, strict=True))
    return RiskPoint(
        confidence=confidence,
        coverage=decisions / _DECISIONS,
        error=errors / decisions,
        error_bound=_wilson(errors, decisions)[1],
    )


def _wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    middle, share = trials + z * z, hits / trials
    half = z * math.sqrt(trials * share * (1 - share) + z * z / 4)
    return max(0.0, (hits + z * z / 2 - half) / middle), min(1.0, (hits + z * z / 2 + half) / middle)


GOOD = Quality(
    release=4,
    decisions=_DECISIONS,
    accuracy=0.879,
    calibration_error=0.026,
    reliability=[_bin(confidence) for confidence in _BINS],
    risk_coverage=[_point(confidence) for confidence in _BINS],
    slices=[
        Slice(
            kind="cluster",
            name="great, thanks, delay, again",
            decisions=52,
            errors=19,
            error=0.365,
            error_elsewhere=0.099,
            q_value=0.0004,
            examples=[
                SliceExample(
                    item_id="t1042",
                    content="Great, another two hours on the platform. Thanks so much!",
                    machine_label="positive",
                    label="negative",
                ),
                SliceExample(
                    item_id="t0377",
                    content="oh lovely, the delay is delayed again :)",
                    machine_label="positive",
                    label="negative",
                ),
            ],
        ),
        Slice(
            kind="metadata",
            name="source = forum",
            decisions=84,
            errors=21,
            error=0.25,
            error_elsewhere=0.101,
            q_value=0.012,
        ),
    ],
    suspects=[
        Suspect(item_id=f"t{number}", label="positive", likely_label="negative", probability=0.04)
        for number in range(7)
    ],
)


async def publish(
    work: Workplace, *, acceptance: Acceptance | None = None, quality: Quality | None = None
) -> None:
    """Say it as the trainer does, and wait until the API tells it."""
    key = work.project.encode()
    now = int(time.time() * 1000)
    if acceptance is not None:
        told = AcceptancePublished(project=work.project, acceptance=acceptance, published_at=now)
        await work.publisher.publish(ACCEPTANCE.name, [OutRecord(0, key, encode(told))])
    if quality is not None:
        seen = QualityPublished(project=work.project, quality=quality, published_at=now)
        await work.publisher.publish(QUALITY.name, [OutRecord(0, key, encode(seen))])

    async def known() -> bool:
        found = await told_by_api(work)
        states = (found["acceptance"] or {}).get("sentence"), (found["quality"] or {}).get("decisions")
        wanted = acceptance and acceptance.sentence, quality and quality.decisions
        return all(want is None or want == state for want, state in zip(wanted, states, strict=True))

    await until(known)


async def told_by_api(work: Workplace) -> dict[str, Any]:
    answer = await work.admin.get(f"/v1/projects/{work.project}/promise")
    return dict(answer.raise_for_status().json())


async def make_manager(work: Workplace, name: str, password: str) -> None:
    account = {"name": name, "roles": ["manager"], "password": password}
    (await work.admin.post("/v1/accounts", json=account)).raise_for_status()
