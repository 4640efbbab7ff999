"""The two data sets with their real votes, as arrays."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FOLDER = Path(__file__).parent / "votes"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("tweets", "bbc")
SOURCES = ("logprobs", "permuted", "samples", "verbal")
REPLAY_RATERS = 5
"""The first raters of a tweet answer as its reviewers, the others make its truth."""
NO_ANSWER = -1


@dataclass(frozen=True)
class DataSet:
    """Items with truth, what people answer, and the LLM's votes. Rows are items, labels are numbers."""

    name: str
    labels: tuple[str, ...]
    item_ids: tuple[str, ...]
    truth: Integers
    """Shape (items,)."""
    people: Integers
    """Shape (items, raters): what each rater answers, NO_ANSWER if nothing."""
    vectors: NDArray[np.float32]
    """MiniLM embeddings, shape (items, 384)."""
    votes: dict[str, Floats]
    """The LLM's distribution by confidence source, shape (items, labels); NaN where it was not asked."""
    tokens: dict[str, Floats]
    """Input and output tokens of a vote of the source, shape (items, 2); 0 where it was not asked."""

    def __len__(self) -> int:
        return len(self.truth)

    def rows(self, rows: Integers) -> "DataSet":
        """Return the data set of some of the items."""
        return replace(
            self,
            item_ids=tuple(self.item_ids[row] for row in rows),
            truth=self.truth[rows],
            people=self.people[rows],
            vectors=self.vectors[rows],
            votes={source: shares[rows] for source, shares in self.votes.items()},
            tokens={source: tokens[rows] for source, tokens in self.tokens.items()},
        )

    def decisions(self, rng: np.random.Generator) -> Integers:
        """Return one decision an item: the answer of one of its raters, drawn at random."""
        keys = np.where(self.people == NO_ANSWER, -1.0, rng.random(self.people.shape))
        drawn: Integers = self.people[np.arange(len(self)), keys.argmax(axis=1)]
        return drawn

    @property
    def human_accuracy(self) -> float:
        """How often one rater agrees with the truth, items counting alike."""
        answered = self.people != NO_ANSWER
        right = (self.people == self.truth[:, None]) & answered
        return float((right.sum(axis=1) / answered.sum(axis=1)).mean())


def load(name: str) -> DataSet:
    """Return a data set, of near duplicates only the first, so that none is both learned from and judged."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    truth = arrays["truth"].astype(np.int64)
    item_ids = tuple(str(item_id, "utf-8") for item_id in arrays["item_ids"].tolist())
    people = _raters(EXAMPLES / name / "raters.jsonl", item_ids) if name == "tweets" else truth[:, None]
    vectors = arrays["embeddings"].astype(np.float32)
    whole = DataSet(
        name=name,
        labels=tuple(arrays["labels"].tolist()),
        item_ids=item_ids,
        truth=truth,
        people=people,
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        votes={source: arrays[source].astype(np.float64) for source in SOURCES},
        tokens={source: arrays[f"{source}_tokens"].astype(np.float64) for source in SOURCES},
    )
    return whole.rows(np.sort(np.unique(arrays["groups"], return_index=True)[1]))


def _raters(path: Path, item_ids: tuple[str, ...]) -> Integers:
    """Return what the replayed raters of each tweet answer: 0 for positive, 1 for negative."""
    lines = map(json.loads, path.read_text().splitlines())
    ratings = {line["item_id"]: line["ratings"][:REPLAY_RATERS] for line in lines}
    table = np.array([ratings[item_id] for item_id in item_ids], np.int64)
    return np.where(table == 0, NO_ANSWER, (table < 0).astype(np.int64))
