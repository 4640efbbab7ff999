"""What the evidence for a promise is about: evidence about another machine is none. Pure."""

from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from labelmill.cost import typical_cost
from labelmill.events import ProjectPublished
from labelmill.promise.standing import Standing
from msgspec.structs import replace

_NO_RELEASE = -1
"""Number of no release, not even of none (0): whatever is in force then is another."""


class Definition(NamedTuple):
    """Fingerprints of a project's definition; empty where they were not kept.

    `machine`: what is asked of whom, that is guideline, labels and voters. Under another one the same items
    would get other labels. `rules`: what may be accepted, and who is asked first. Old audits can be judged by
    new rules. (The source of Python functions is in neither: the trainer does not see it.)
    """

    machine: str
    rules: str


def definition_of(published: ProjectPublished) -> Definition:
    """Return the fingerprints of a project's definition."""
    spec = published.spec
    asked = [
        replace(
            voter,
            mode="live",
            batch_discount=None,
            input_usd_per_mtok=msgspec.UNSET,
            output_usd_per_mtok=msgspec.UNSET,
        )
        for voter in spec.voters
    ]
    llm = sorted((typical_cost(voter), voter.name) for voter in spec.voters if voter.type == "llm")
    tiers = [[name for _, name in tier] for _, tier in groupby(llm, key=lambda each: each[0])]
    return Definition(
        machine=_fingerprint([published.guideline_version, asked]),
        rules=_fingerprint([spec.policy.disagreement, spec.policy.always_review, tiers]),
    )


def carried_over(standing: Standing, before: Definition, now: Definition) -> Standing:
    """Return the standing with which a promise goes on under a definition: if that is another, nothing is
    accepted until evidence says so. The audits there are serve again under other rules, and not at all for
    another machine."""
    is_other_machine = before.machine not in ("", now.machine)
    if not is_other_machine and before.rules in ("", now.rules):
        return standing
    gate = replace(standing.gate, release=_NO_RELEASE, thresholds={})
    if is_other_machine:
        gate = replace(gate, alarm_seq=gate.seq)
    return replace(standing, gate=gate, earlier=[])


def _fingerprint(content: Any) -> str:
    return blake2b(msgspec.json.encode(content), digest_size=8).hexdigest()
