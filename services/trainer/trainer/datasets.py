"""Datasets: immutable sets of decisions, named by what is in them. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from trainer.splitting import Side

_VERSION_CHARS = 16


class Text(Protocol):
    """A decision's content, by where it is stored and what it is."""

    @property
    def seq(self) -> int: ...

    @property
    def content_hash(self) -> str: ...


class Membership(NamedTuple):
    """A decision in a dataset, by what makes the dataset what it is."""

    seq: int
    event_id: str
    label: str
    side: Side


@dataclass(frozen=True)
class Dataset:
    """A dataset without its decisions. `watermark`: it holds decisions up to this seq only."""

    project: str
    version: str
    digest: str
    watermark: int
    decisions: int
    train: int
    holdout: int
    members: list[int]


@dataclass(frozen=True)
class Member:
    """A decision as training and evaluation need it; its content, which may be long, is fetched by `seq`."""

    seq: int
    content_hash: str
    group: str
    side: Side
    label: str
    machine_label: str
    machine_confidence: float
    propensity: float


def dataset_of(project: str, watermark: int, members: Sequence[Membership]) -> Dataset:
    """Return the dataset of `members`; the same decisions, labels and sides give the same version."""
    digest = hashlib.blake2b(digest_size=32)
    for member in sorted(members, key=lambda each: each.event_id):
        digest.update(f"{member.event_id}\x1f{member.label}\x1f{member.side}\x1e".encode())
    whole = digest.hexdigest()
    holdout = sum(member.side is Side.HOLDOUT for member in members)
    return Dataset(
        project=project,
        version=whole[:_VERSION_CHARS],
        digest=whole,
        watermark=watermark,
        decisions=len(members),
        train=len(members) - holdout,
        holdout=holdout,
        members=sorted(member.seq for member in members),
    )


def sides(members: Sequence[Member]) -> tuple[list[int], list[int]]:
    """Return the row numbers of the training side and of the held-out side."""
    train = [row for row, member in enumerate(members) if member.side is Side.TRAIN]
    return train, [row for row, member in enumerate(members) if member.side is Side.HOLDOUT]
