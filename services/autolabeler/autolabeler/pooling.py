"""From answers to votes, and from votes to one score. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from labelmill import ids
from labelmill.events import ItemIngested, LabelScored, Vote
from labelmill.kinds import Opinion

from autolabeler.logprobs import DECIMALS, mean
from autolabeler.plan import LlmVoter, Plan, StudentVoter
from autolabeler.said import counted
from autolabeler.voters import Answer


class Paid(NamedTuple):
    """An answer, and whether this item is the one that paid for it."""

    answer: Answer
    is_payer: bool


def event_id(item: ItemIngested, content_hash: str, plan: Plan) -> str:
    """Return the id of the item's score: the same for the same content, guideline and release."""
    return ids.event_id(
        "scored", plan.project, item.item_id, content_hash, str(plan.guideline_version), str(plan.release)
    )


def payer(item: ItemIngested, content_hash: str) -> bytes:
    """Return the 8 bytes under which the item's answers are bought.

    They must not depend on the release. If an answer is stored and the process dies before the score is
    published, the score may be made under the next release: it is then the only one to tell what was paid.
    """
    return payer_of(item.project, item.item_id, content_hash)


def payer_of(project: str, item_id: str, content_hash: str) -> bytes:
    """Return the payer of an item that is known by its name and its content's hash alone."""
    return bytes.fromhex(ids.event_id("payer", project, item_id, content_hash)[:16])


def llm_vote(voter: LlmVoter, labels: Sequence[str], paid: Sequence[Paid]) -> Vote:
    """Return the vote made of a voter's answers, one a call, in the order of its templates.

    Tokens and cost are those this score paid for. If it paid for none the vote is `cached`, and they
    are what somebody else paid when it was made.
    """
    (answer, is_payer), *others = paid
    shares = voter.templates[0].by_label(answer.shares)
    input_tokens, output_tokens, calls = answer.input_tokens, answer.output_tokens, 1
    if others or voter.method == "samples":
        shares = _merged(voter, [each.answer for each in paid])
        is_payer = any(each.is_payer for each in paid)
        own = [each.answer for each in paid if each.is_payer or not is_payer]
        input_tokens = sum(answer.input_tokens for answer in own)
        output_tokens = sum(answer.output_tokens for answer in own)
        calls = len(own)
    confidence = max(shares)
    return Vote(
        voter=voter.name,
        version=voter.model,
        source=voter.method,
        label=labels[shares.index(confidence)],
        confidence=confidence,
        probabilities=dict(zip(labels, shares, strict=True)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=voter.prices.cost_usd(input_tokens, output_tokens),
        cached=not is_payer,
        calls=calls,
    )


def with_cost_of(vote: Vote, other: Vote) -> Vote:
    """Return `vote` with what another one of the same voter cost added to it; `other` itself is not told."""
    if other.cached:
        return vote
    before = (
        (0, 0, 0, 0.0) if vote.cached else (vote.calls, vote.input_tokens, vote.output_tokens, vote.cost_usd)
    )
    return msgspec.structs.replace(
        vote,
        calls=before[0] + other.calls,
        input_tokens=before[1] + other.input_tokens,
        output_tokens=before[2] + other.output_tokens,
        cost_usd=round(before[3] + other.cost_usd, 9),
        cached=False,
    )


def _merged(voter: LlmVoter, answers: Sequence[Answer]) -> tuple[float, ...]:
    """Return the shares of several answers: samples are counted, anything else is averaged."""
    pairs = zip(voter.templates, answers, strict=True)
    rows = [template.by_label(answer.shares) for template, answer in pairs]
    if voter.method == "samples":
        return counted(rows)
    return tuple(round(share, DECIMALS) for share in mean(rows))


def student_opinion(voter: StudentVoter, labels: Sequence[str], shares: Sequence[float]) -> Opinion:
    """Return the student's opinion over all labels; `shares` are in the order of its classes."""
    known = dict(zip(voter.model.classes, shares, strict=True))
    probabilities = {label: round(float(known.get(label, 0.0)), DECIMALS) for label in labels}
    label = max(probabilities, key=probabilities.__getitem__)
    return Opinion(label, probabilities[label], probabilities)


def student_vote(voter: StudentVoter, opinion: Opinion) -> Vote:
    """Return the student's opinion as a vote, which costs nothing."""
    return Vote(
        voter=voter.name,
        version=voter.version,
        source="student",
        label=opinion.label,
        confidence=opinion.confidence,
        probabilities=opinion.probabilities,
    )


def score(
    plan: Plan, item: ItemIngested, votes: list[Vote], *, content_hash: str, event_id: str, now_ms: int
) -> LabelScored:
    """Return the votes pooled into one score, calibrated where the release knows how.

    Without votes it is even over all labels: people decide.
    """
    opinion = plan.pool(votes)
    confidence, calibrated = plan.calibrations(votes, opinion.label, opinion.confidence)
    return LabelScored(
        project=plan.project,
        event_id=event_id,
        item_id=item.item_id,
        content_hash=content_hash,
        kind=plan.kind_name,
        label=opinion.label,
        confidence=confidence,
        probabilities=opinion.probabilities,
        votes=votes,
        guideline_version=plan.guideline_version,
        release=plan.release,
        calibrated=calibrated,
        metadata=item.metadata,
        ingested_at=item.ingested_at,
        scored_at=now_ms,
    )
