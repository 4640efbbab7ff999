"""What a promise costs: routing under it, one process and one core, and fitting thresholds on many audits."""

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from labelmill.acceptance import Acceptance, Threshold
from labelmill.events import EventDecoder, LabelScored, ProjectPublished, Vote, encode
from labelmill.policy import Policy
from labelmill.projects import LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from labelmill.promise import bound
from router.routing import routed

from benchmarks.results import Result

ITEMS = 50_000
AUDITS = 100_000
_TARGET = 0.02


async def run(folder: Path) -> list[Result]:
    """Return the figures; `folder` is not used."""
    scores = [encode(_score(number)) for number in range(ITEMS)]
    plain, promised = _routing(_policy(None), scores), _routing(_policy(_TARGET), scores)
    seconds = _fitting()
    return [
        Result("routing", promised, "items/s a core", plain, "routing by a fixed threshold", "20,000"),
        Result("thresholds", seconds * 1000, "ms", 1000.0, "one second", f"1 s on {AUDITS:,} audits"),
    ]


def _routing(policy: Policy, scores: Sequence[bytes]) -> float:
    """Return the items a second from a record's value to the value of the routed event."""
    decoder = EventDecoder(LabelScored)
    started = time.process_time()
    for value in scores:
        routed(policy, decoder.decode(value), value, 0)
    return len(scores) / (time.process_time() - started)


def _fitting() -> float:
    """Return the seconds that it takes to judge the audits at every threshold from nothing."""
    draw = np.random.default_rng(7)
    confidence = draw.beta(8, 1, AUDITS)
    errors = draw.random(AUDITS) > confidence
    started = time.process_time()
    bound.fit(confidence, errors, target=_TARGET, alpha=0.05)
    return time.process_time() - started


def _policy(target: float | None) -> Policy:
    spec = ProjectSpec(
        project="bench",
        title="Bench",
        labels=[LabelSpec(name="positive"), LabelSpec(name="negative")],
        guideline="Say which.",
        voters=[VoterSpec(name="llm", type="llm", model="m"), VoterSpec(name="student", type="student")],
        policy=PolicySpec(target_error=target),
    )
    acceptance = Acceptance(
        state="open",
        thresholds=[Threshold(release=3, confidence=0.9)],
        audit_rate=0.02,
        audits=400,
        audit_errors=1,
        audits_missing=0,
        error_bound=0.01,
        alarms=0,
        sentence="",
        target_error=_TARGET,
        confidence=0.95,
    )
    published = ProjectPublished(project="bench", version=1, guideline_version=1, spec=spec)
    return Policy.of(published, acceptance)


def _score(number: int) -> LabelScored:
    confidence = random.Random(number).betavariate(8, 1)
    shares = {"positive": confidence, "negative": 1 - confidence}
    votes = [
        Vote(
            voter=name,
            version="1",
            source=source,
            label="positive",
            confidence=confidence,
            probabilities=shares,
            input_tokens=120,
            output_tokens=1,
            cost_usd=0.00001,
        )
        for name, source in (("llm", "logprobs"), ("student", "student"))
    ]
    return LabelScored(
        project="bench",
        event_id=f"{number:032x}",
        item_id=f"i{number}",
        content_hash=f"{number:032x}",
        kind="choice",
        label="positive",
        confidence=confidence,
        probabilities=shares,
        votes=votes,
        guideline_version=1,
        release=3,
        calibrated=True,
    )
