"""What the trainer says of a promise, as example data: the figures fit together, nobody measured them."""

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
    thresholds=[Threshold(release=4, confidence=0.9)],
    audit_rate=0.062,
    audits=618,
    audit_errors=41,
    audits_missing=140,
    error_bound=0.0172,
    alarms=0,
    sentence="At most 2% of accepted labels differ from what one person would say "
    "(95% confidence, over all looks; 391 audits, 2 errors).",
    target_error=0.02,
    confidence=0.95,
)

_BINS = [
    (0.56, 0.52, 0.4, 0.64, 61),
    (0.67, 0.66, 0.54, 0.76, 64),
    (0.78, 0.8, 0.69, 0.88, 63),
    (0.86, 0.85, 0.74, 0.91, 62),
    (0.92, 0.94, 0.85, 0.97, 66),
    (0.96, 0.97, 0.89, 0.99, 62),
    (0.985, 0.99, 0.93, 1.0, 118),
    (0.995, 1.0, 0.97, 1.0, 122),
]
_RISK = [
    (0.995, 0.2, 0.0, 0.024),
    (0.985, 0.39, 0.004, 0.023),
    (0.96, 0.5, 0.01, 0.028),
    (0.92, 0.6, 0.014, 0.031),
    (0.86, 0.7, 0.034, 0.054),
    (0.78, 0.8, 0.054, 0.076),
    (0.67, 0.9, 0.085, 0.11),
    (0.5, 1.0, 0.121, 0.148),
]

GOOD = Quality(
    release=4,
    decisions=618,
    accuracy=0.879,
    calibration_error=0.014,
    reliability=[
        ReliabilityBin(confidence=confidence, accuracy=accuracy, low=low, high=high, decisions=decisions)
        for confidence, accuracy, low, high, decisions in _BINS
    ],
    risk_coverage=[
        RiskPoint(confidence=confidence, coverage=coverage, error=error, error_bound=error_bound)
        for confidence, coverage, error, error_bound in _RISK
    ],
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
