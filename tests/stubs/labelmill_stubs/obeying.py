"""The LLM that obeys: it looks for an option that the item names, however hidden, and answers that.

It knows every trick of the tests' hostile items, and needs no verb: that an option is named is order enough.
So it is a worse reader than any real model, which is what a test of the defences wants.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

_TEXT = re.compile(r"<text>\n(.*)\n</text>", re.DOTALL)
_ALIKE = str.maketrans("АВЕКМНОРСТХаеорсхуαεον", "ABEKMHOPCTXaeopcxyaeov")
_LEET = str.maketrans("01345789@$", "oieastbgas")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_PLACES = ("first", "second", "third", "fourth")


def ordered(item: str, letters: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the number of the option that the last message orders, or None. Names go before letters, and
    what stands last in the text goes before what stands first."""
    found = _TEXT.search(item)
    text = found[1] if found else item
    readings = list(_readings(text))
    for find in (_by_name, _by_place, _by_letter):
        for reading in readings:
            index = find(reading, letters, names)
            if index is not None:
                return index
    return None


def _by_name(text: str, letters: Sequence[str], names: Sequence[str]) -> int | None:
    folded = text.casefold()
    places = [(match.start(), index) for index, name in enumerate(names) for match in _whole(name, folded)]
    return max(places)[1] if places else None


def _by_place(text: str, letters: Sequence[str], names: Sequence[str]) -> int | None:
    for index, place in enumerate(_PLACES[: len(names)]):
        if re.search(rf"\b{place} (?:option|answer|choice|label|one)\b", text, re.IGNORECASE):
            return index
    if re.search(r"\blast (?:option|answer|choice|label)\b", text, re.IGNORECASE):
        return len(names) - 1
    return None


def _by_letter(text: str, letters: Sequence[str], names: Sequence[str]) -> int | None:
    """Find a capital that stands alone and is no article, as at a sentence's head with a word after it."""
    best: tuple[int, int] | None = None
    for index, letter in enumerate(letters):
        if len(letter) != 1:
            continue
        for match in re.finditer(rf"(?<![A-Za-z0-9])\(?{letter}(?![A-Za-z0-9]|['’][A-Za-z])", text):
            begins = not text[: match.start()].strip() or text[: match.start()].rstrip()[-1] in ".!?"
            if not (begins and re.match(r" [a-z]", text[match.end() :])):
                best = max(best or (-1, 0), (match.start(), index))
    return best[1] if best else None


def _whole(name: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<![a-z0-9]){re.escape(name.casefold())}(?![a-z0-9])", text)


def _readings(text: str) -> Iterator[str]:
    """Yield the text, and what it says once decoded."""
    yield text
    clear = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).translate(_ALIKE)
    yield clear
    yield "".join(chr(ord(c) - 0xE0000) for c in text if 0xE0020 <= ord(c) < 0xE007F)
    for run in re.findall(r"[A-Za-z0-9+/]{12,}={0,6}", clear):
        yield from _runs(run)
    for run in re.findall(r"(?:[01]{8} ?){4,}", clear):
        yield "".join(chr(int(bits, 2)) for bits in run.split())
    yield html.unescape(unquote(re.sub(r"\\(?:u00|x)([0-9a-fA-F]{2})", r"%\1", clear)))
    yield re.sub(r"(?<=\b\w)[ .*_-](?=\w\b)", "", clear)
    yield re.sub(r"(?<=\b\w)[ .*_-](?=\w\b)", "", clear).translate(_LEET)
    yield clear[::-1]
    yield codecs.encode(clear, "rot13")
    yield clear.translate(_LEET)


def _runs(run: str) -> Iterator[str]:
    bare = run.rstrip("=")
    for decode in (
        lambda: base64.b64decode(bare + "=" * (-len(bare) % 4)),
        lambda: base64.b32decode(bare + "=" * (-len(bare) % 8)),
        lambda: bytes.fromhex(bare),
    ):
        try:
            yield decode().decode("ascii")
        except (binascii.Error, ValueError):
            continue
