"""What labelling a file would cost, before anything is paid: tokens, money, and people's time. Pure."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Final

import msgspec
from labelmill.cost import TokenPrices
from labelmill.projects import ProjectSpec, VoterSpec
from labelmill.prompts import as_data, ask, opening

CountTokens = Callable[[str], float]
"""Returns how many tokens a text has, which an approximation may leave in fractions."""

ROUGHLY: Final = "an approximation: 4 ASCII characters, or 1.5 others, make a token"
_ASCII_CHARS, _OTHER_CHARS = 4.0, 1.5
_MESSAGE_TOKENS: Final = 4
"""What a chat template adds to a message."""
_SAID_TOKENS: Final = 20
"""What a label with a stated confidence takes; the other methods take one token."""
_ASSUMED_SHARE: Final = 0.25


class VoterCost(msgspec.Struct, frozen=True, kw_only=True):
    """One LLM voter: `calls` after equal prompts are asked once; tokens and money of all of them together.

    `usd` is what its mode costs, `usd_live` and `usd_batch` what each mode would.
    """

    voter: str
    model: str
    mode: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float
    usd_live: float
    usd_batch: float


class People(msgspec.Struct, frozen=True, kw_only=True):
    """What people do: `share` of the items go to them, each for `decisions` on average."""

    share: float
    decisions: int
    minutes: float
    usd: float
    usd_alone: float
    """If people decided everything, once."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would cost at most. `days_under_cap` is how long it takes under the project's daily cap."""

    project: str
    items: int
    distinct_texts: int
    unreadable: int
    tokens_counted_by: str
    voters: list[VoterCost]
    people: People
    usd_live: float
    usd_batch: float
    usd: float
    days_under_cap: float | None
    assumptions: list[str]
    warnings: list[str] = []


class HumanShare(msgspec.Struct, frozen=True, kw_only=True):
    """The share of items that people see and where it is known from; with `is_measured` audits are in it."""

    share: float = _ASSUMED_SHARE
    source: str = f"assumed: {_ASSUMED_SHARE:.0%} of the items go to people before audits (--human-share)"
    is_measured: bool = False
    minutes_per_decision: float | None = None


class Texts:
    """The texts of a file, counted one by one."""

    def __init__(self, count: CountTokens) -> None:
        self._count = count
        self._seen: set[bytes] = set()
        self.items = 0
        self.unreadable = 0
        self.tokens = 0.0
        """Of the texts that differ."""

    def add(self, line: bytes) -> None:
        """Take one item, a line of JSON; lines that are none, or lack a text, are only counted."""
        try:
            content = msgspec.json.decode(line, type=_Item).content
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unreadable += 1
            return
        self.items += 1
        key = blake2b(content.encode(errors="replace"), digest_size=12).digest()
        if key not in self._seen:
            self._seen.add(key)
            self.tokens += self._count(as_data(content))

    @property
    def distinct(self) -> int:
        return len(self._seen)


class _Item(msgspec.Struct):
    content: str


def roughly(text: str) -> float:
    """Return about how many tokens a text has."""
    if text.isascii():
        return len(text) / _ASCII_CHARS
    others = sum(not char.isascii() for char in text)
    return (len(text) - others) / _ASCII_CHARS + others / _OTHER_CHARS


def worked_out(
    spec: ProjectSpec, texts: Texts, count: CountTokens, *, counted_by: str, human: HumanShare
) -> Estimate:
    """Return what labelling `texts` costs at most under a project whose voters all have prices."""
    voters = [_voter_cost(spec, voter, texts, count) for voter in spec.voters if voter.type == "llm"]
    people = _people(spec, texts.items, human)
    usd = sum(voter.usd for voter in voters)
    cap = spec.budget.usd_per_day
    return Estimate(
        project=spec.project,
        items=texts.items,
        distinct_texts=texts.distinct,
        unreadable=texts.unreadable,
        tokens_counted_by=counted_by,
        voters=voters,
        people=people,
        usd_live=sum(voter.usd_live for voter in voters) + people.usd,
        usd_batch=sum(voter.usd_batch for voter in voters) + people.usd,
        usd=usd + people.usd,
        days_under_cap=usd / cap if cap else None,
        assumptions=_assumptions(spec, human),
    )


def _voter_cost(spec: ProjectSpec, voter: VoterSpec, texts: Texts, count: CountTokens) -> VoterCost:
    rounds = voter.samples if voter.method == "samples" else voter.permutations
    # In any order of the options a prompt has the same words.
    shared = rounds * _tokens_of([*opening(spec, voter, range(len(spec.labels))), ask("")], count)
    average = texts.tokens / texts.distinct if texts.distinct else 0.0
    turns_shown = _tokens_of([ask(""), {"role": "assistant", "content": "A"}], count)
    shown = voter.similar_examples * (average + turns_shown)
    calls = texts.distinct * rounds
    input_tokens = round(texts.distinct * (shared + rounds * shown) + texts.tokens * rounds)
    output_tokens = calls * (_SAID_TOKENS if voter.method == "verbal" else 1)
    live = TokenPrices.live(voter).cost_usd(input_tokens, output_tokens)
    batch = live * (1 - (voter.batch_discount or 0.0))
    return VoterCost(
        voter=voter.name,
        model=voter.model,
        mode=voter.mode,
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd=batch if voter.mode == "batch" else live,
        usd_live=live,
        usd_batch=batch,
    )


def _tokens_of(messages: Iterable[dict[str, Any]], count: CountTokens) -> float:
    return sum(count(str(message["content"])) + _MESSAGE_TOKENS for message in messages)


def _people(spec: ProjectSpec, items: int, human: HumanShare) -> People:
    policy = spec.policy
    per_item = human.share * policy.decisions_per_task
    share = human.share
    if not human.is_measured:
        # Audits come on top of what the policy sends to people anyway.
        audited = (1 - human.share) * policy.audit_rate
        share += audited
        per_item += audited * max(policy.audit_raters, policy.decisions_per_task)
    minutes_each = human.minutes_per_decision or spec.minutes_per_decision
    decisions = round(items * per_item)
    minutes = decisions * minutes_each
    return People(
        share=share,
        decisions=decisions,
        minutes=minutes,
        usd=minutes / 60 * spec.usd_per_hour,
        usd_alone=items * minutes_each / 60 * spec.usd_per_hour,
    )


def _assumptions(spec: ProjectSpec, human: HumanShare) -> list[str]:
    found = [
        f"people: {human.source}",
        "every LLM voter is asked about every text that differs: a student, functions and cheaper voters "
        "that are sure make it less",
    ]
    if human.minutes_per_decision is None:
        found.append(f"a decision takes {spec.minutes_per_decision:g} minutes (minutes_per_decision)")
    if spec.policy.target_error is not None and not human.is_measured:
        found.append("with a target_error people decide everything until there is evidence; not counted here")
    if any(voter.similar_examples for voter in spec.voters):
        found.append("similar_examples: as long as the file's texts are on average")
    return found
