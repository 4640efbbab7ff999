"""Samples for the router's tests: policies and scores with anything changed."""

from collections.abc import Callable

import pytest
from labelmill.events import LabelScored, ProjectPublished, Vote
from labelmill.policy import Policy
from labelmill.projects import LabelSpec, PolicySpec, ProjectSpec, VoterSpec


def published(kind: str = "choice", **fields: object) -> ProjectPublished:
    spec = ProjectSpec(
        project="tweets",
        title="Tweets",
        kind=kind,
        labels=[LabelSpec(name="positive"), LabelSpec(name="negative")],
        guideline="Say which.",
        voters=[VoterSpec(name="llm", type="llm", model="m")],
        policy=PolicySpec(**{"audit_rate": 0.0, **fields}),  # type: ignore[arg-type]
    )
    return ProjectPublished(project="tweets", version=3, guideline_version=1, spec=spec)


def make_vote(label: str) -> Vote:
    return Vote(voter=f"v-{label}", version="1", source="logprobs", label=label, confidence=0.9)


def make_score(confidence: float = 0.99, label: str = "positive", **fields: object) -> LabelScored:
    base: dict[str, object] = {
        "project": "tweets",
        "event_id": "e1",
        "item_id": "i1",
        "content_hash": "0" * 32,
        "kind": "choice",
        "label": label,
        "confidence": confidence,
        "probabilities": {label: confidence},
        "votes": [make_vote(label)],
        "guideline_version": 1,
        "release": 1,
    }
    return LabelScored(**{**base, **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def policy() -> Callable[..., Policy]:
    """Makes a policy: no audits unless `audit_rate` says so."""
    return lambda kind="choice", **fields: Policy.of(published(kind, **fields))


@pytest.fixture(scope="session")
def project() -> Callable[..., ProjectPublished]:
    """Makes the project `tweets`, version 3."""
    return published


@pytest.fixture(scope="session")
def score() -> Callable[..., LabelScored]:
    """Makes a sure score for `positive`."""
    return make_score


@pytest.fixture(scope="session")
def vote() -> Callable[[str], Vote]:
    """Makes a vote for a label."""
    return make_vote
