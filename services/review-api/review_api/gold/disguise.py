"""Ids for gold texts that are no items of the project, so that they look like the ids of its items. Pure."""

import random
import re

_HEX = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,})*")


def lookalike(sample: str, chance: random.Random) -> str:
    """Return an id like `sample`: the same letters around other digits.

    Hexadecimal runs (hashes, UUIDs) are drawn anew. Of an id without digits the last six characters are: such
    ids are words, and made up words would not look like them anyway.
    """
    if _HEX.search(sample):
        return _HEX.sub(lambda run: _redrawn(run.group(), "0123456789abcdef", chance), sample)
    if any(sign.isdigit() for sign in sample):
        first = next(place for place, sign in enumerate(sample) if sign.isdigit())
        head, rest = sample[: first + 1], sample[first + 1 :]
        digit = chance.choice("123456789")
        return head[:-1] + digit + _redrawn(rest, "0123456789", chance)
    return sample[:-6] + "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6))


def _redrawn(text: str, alphabet: str, chance: random.Random) -> str:
    return "".join(chance.choice(alphabet) if sign in alphabet else sign for sign in text)
