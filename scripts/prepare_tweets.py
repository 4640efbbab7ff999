"""Make examples/tweets from the source package vaderSentiment: `python scripts/prepare_tweets.py`.

The package is fetched by pip and checked against a pinned hash. Writes items.jsonl (what is labeled),
raters.jsonl (what people said) and LICENSE.vaderSentiment; prints what was dropped and what is left.
"""

import argparse
import html
import io
import json
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from source_packages import fetch, mixed

REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
REPLAY_RATERS = 5
TOLERANCE = 1e-6
FOLDER = Path(__file__).resolve().parent.parent / "examples" / "tweets"


@dataclass(frozen=True, slots=True)
class Tweet:
    """A tweet with its raters' answers, from -4 (very negative) to 4, in the order of their recording."""

    number: int
    content: str
    ratings: list[int]

    @property
    def item_id(self) -> str:
        return f"tweet-{self.number:04d}"

    @property
    def gold_mean(self) -> float:
        """Mean of the raters who are not replayed."""
        return fmean(self.ratings[REPLAY_RATERS:])

    @property
    def has_answer(self) -> bool:
        """Whether a replayed rater chose a side."""
        return any(self.ratings[:REPLAY_RATERS])


def say(text: str) -> None:
    print(f"[tweets] {text}", file=sys.stderr, flush=True)


def member(archive: bytes, name_ends: str) -> bytes:
    """Return the one file of a .tar.gz whose name ends so. Raises ValueError if there is not exactly one."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        found = [each for each in tar.getmembers() if each.isfile() and each.name.endswith(name_ends)]
        if len(found) != 1:
            raise ValueError(f"{len(found)} files end in {name_ends}")
        opened = tar.extractfile(found[0])
        assert opened is not None
        return opened.read()


def rows(table: bytes) -> dict[int, list[str]]:
    """Return the columns after the first of a tab-separated table, by the number in its first column."""
    split = (line.split("\t") for line in table.decode().splitlines())
    return {int(first): rest for first, *rest in split}


def agreeing(truths: dict[int, list[str]], ratings: dict[int, list[str]]) -> list[Tweet]:
    """Return the tweets whose mean rating is the same in both tables and follows from the ratings."""
    tweets = []
    for number, (mean, content) in truths.items():
        recorded_mean, _deviation, answers = ratings[number]
        tweet = Tweet(number, html.unescape(content).strip(), json.loads(answers))
        means = (float(mean), float(recorded_mean), fmean(tweet.ratings))
        if max(means) - min(means) <= TOLERANCE:
            tweets.append(tweet)
    return tweets


def write(path: Path, lines: list[dict[str, object]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    say(f"wrote {path.name}: {len(lines)} lines, {path.stat().st_size / 1000:.0f} kB")


def report(kept: list[Tweet]) -> None:
    """Print what anyone who reads figures made from this data wants to know first."""
    firsts = [next(rating for rating in tweet.ratings[:REPLAY_RATERS] if rating) for tweet in kept]
    right = fmean((first > 0) == (tweet.gold_mean > 0) for first, tweet in zip(firsts, kept, strict=True))
    lengths = sorted(len(tweet.content) for tweet in kept)
    answers = Counter(sum(map(bool, tweet.ratings[:REPLAY_RATERS])) for tweet in kept)
    positive = fmean(tweet.gold_mean > 0 for tweet in kept)
    say(f"positive: {positive:.1%}; one replayed rater is right: {right:.1%}")
    say(f"gold mean within 0.5 of 0: {fmean(abs(tweet.gold_mean) < 0.5 for tweet in kept):.1%}")
    spread = [lengths[int(share * (len(lengths) - 1))] for share in (0, 0.05, 0.5, 0.95, 1)]
    say(f"characters at 0, 5, 50, 95 and 100%: {spread}")
    say(f"items by number of replayed answers: {dict(sorted(answers.items()))}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder to write to")
    folder: Path = parser.parse_args().into
    archive = fetch(REQUIREMENT, SHA256, "--no-binary", ":all:")
    corpus = member(archive, "additional_resources/hutto_ICWSM_2014.tar.gz")
    truths = rows(member(corpus, "/tweets_GroundTruth.txt"))
    agreed = agreeing(truths, rows(member(corpus, "/tweets_anonDataRatings.txt")))
    sided = [tweet for tweet in agreed if tweet.gold_mean != 0]
    kept = mixed([tweet for tweet in sided if tweet.has_answer])
    say(
        f"{len(truths)} tweets; dropped {len(truths) - len(agreed)} whose two files disagree, "
        f"{len(agreed) - len(sided)} with a gold mean of 0, {len(sided) - len(kept)} without an answer"
    )
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "items.jsonl", [{"item_id": tweet.item_id, "content": tweet.content} for tweet in kept])
    write(folder / "raters.jsonl", [{"item_id": tweet.item_id, "ratings": tweet.ratings} for tweet in kept])
    (folder / "LICENSE.vaderSentiment").write_bytes(member(archive, "/LICENSE.txt"))
    report(kept)


if __name__ == "__main__":
    main()
