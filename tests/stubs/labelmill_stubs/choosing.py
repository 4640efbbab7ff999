"""Which option the stub answers, and how sure it is: pure functions of the prompt."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from labelmill_stubs.modes import Mode
from labelmill_stubs.obeying import ordered

_OPTION = re.compile(r"^[ \t>*-]*\(?([A-Z])[.):][ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_BULLETS = re.compile(r"^Options:\n((?:- .+\n?)+)", re.MULTILINE)
_WORD = re.compile(r"[a-z']+|[:;=]-?[)(dp/]|<3")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _words("not no never cannot can't don't didn't doesn't isn't wasn't won't ain't without")
_GOOD = _words(
    """good great love loved loves lovely like liked nice best better awesome amazing happy glad fun funny
    cool excited exciting enjoy enjoyed enjoying beautiful wonderful perfect fantastic thanks thank
    thankful welcome win won winning yay haha hahaha lol lmao congrats congratulations proud blessed
    sweet cute smile smiling excellent brilliant delicious favorite favourite pretty hope hug hugs
    kiss party easy well success successful free fresh wow interesting recommend helpful gorgeous
    rocks :) :-) ;) ;-) :d =) =d ;d <3"""
)
_BAD = _words(
    """bad worse worst hate hated hates awful terrible horrible sad sucks suck sick ill hurt hurts pain
    painful tired angry mad annoying annoyed boring bored ugly cry crying cried miss missed lost
    lose losing fail failed failure poor wrong problem problems broken broke stupid dumb damn shit
    crap hell ugh fuck fucking wtf kill killed die died dead death war fear scared scary worry
    worried alone lonely sorry unfortunately disappointed disappointing headache stress stressed
    nightmare useless rude lazy late stuck cold :( :-( :/ :-/ =( ;("""
)


@dataclass(frozen=True, slots=True)
class Option:
    """What is answered, a letter or the label, and the label it stands for in this prompt."""

    letter: str
    name: str


DEFAULT_OPTIONS = (Option("A", "a"), Option("B", "b"))


@lru_cache(maxsize=4096)
def parse_options(text: str) -> tuple[Option, ...]:
    """Lines such as `A. positive` or `(B) negative: some words`, in the prompt's order, or the bullets below
    `Options:`, which are answered in words; () without any."""
    bullets = _BULLETS.search(text)
    if bullets is not None:
        names = [re.split(r": ", line[2:], maxsplit=1)[0] for line in bullets[1].splitlines()]
        return tuple(Option(name, name.lower()) for name in names)
    found = {m[1]: Option(m[1], _label_name(m[2])) for m in _OPTION.finditer(text)}
    return tuple(found.values())


def _label_name(line: str) -> str:
    return re.split(r"\s+[-–—]\s+|:\s", line, maxsplit=1)[0].strip("*`'\" ").lower()


def distribution(options: tuple[Option, ...], item: str, style: Mode) -> list[float]:
    """Probability of each option (same order, sum 1): it follows labels and item, not the letters' order."""
    digest = int.from_bytes(blake2b(item.encode(errors="replace"), digest_size=8).digest(), "big")
    if style is Mode.OBEY:
        wanted = ordered(item, [option.letter for option in options], [option.name for option in options])
        if wanted is not None:
            return _peaked(len(options), wanted, 0.9999)
    if style is not Mode.NORMAL:
        chosen = _keyword_choice(options, item)
        if chosen is not None:
            return _peaked(len(options), *chosen)
    rank = sorted(range(len(options)), key=lambda i: options[i].name)
    certainty = (digest >> 32) / 2**32
    spread = 0.98 if style is Mode.NORMAL else 0.1
    floor = 1.0 / len(options)
    top = floor + (1 - floor) * (0.02 + (spread - 0.02) * certainty)
    return _peaked(len(options), rank[digest % len(options)], top)


def _peaked(count: int, index: int, top: float) -> list[float]:
    if count == 1:
        return [1.0]
    rest = (1.0 - top) / (count - 1)
    return [top if i == index else rest for i in range(count)]


def _keyword_choice(options: tuple[Option, ...], item: str) -> tuple[int, float] | None:
    score = sentiment(item)
    wanted = "pos" if score > 0 else "neg"
    if score:
        for index, option in enumerate(options):
            if option.name.startswith(wanted):
                return index, 1.0 / (1.0 + math.exp(-0.4 - 0.9 * abs(score)))
    return None


def sentiment(text: str) -> int:
    """Good words minus bad words; a negation within the two words before turns a word round."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    score = 0
    for index, word in enumerate(words):
        value = (word in _GOOD) - (word in _BAD)
        if value:
            negated = not _NEGATIONS.isdisjoint(words[max(0, index - 2) : index])
            score += -value if negated else value
    return score
