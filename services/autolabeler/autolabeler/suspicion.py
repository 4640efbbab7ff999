"""Whether a text seems to speak to the LLM that labels it rather than to people. Pure.

No text can be made harmless for a model that obeys it. So what looks like an instruction is marked, and
people decide. Most texts are cleared by one pass of RE2 that looks for stems of suspicious texts; only what
it finds is looked at closely: the text as it stands and as it reads once decoded.

Patterns know what was thought of. But who wants a certain answer must name it: where a text names the option
that the LLM chose, the LLM is asked again about the text without that (`masked`, see `jobs.py`), and if it
then says something else, it was the text that answered.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import re2

_LONGEST: Final = 64 * 1024
"""Characters that are looked at closely. Longer texts that have a stem are looked at in two pieces."""

_WORDS: Final = {
    "ignore": (
        "ignore|disregard|forget|override|overrule|bypass|neglect|skip|ignorier|ignorez|ignora|ignorad|ignorar"
        "|ignoruj|ignoreer|negeer|vergiss|vergesst|vergeet|oublie|olvida|dimentica|esque[cç]|missachte|zignoruj"
        "|проигнорир|игнорир|забудь|не обращай|忽略|無視|忘记|忘れ|تجاهل|무시|yok say|görmezden|bỏ qua"
        "|अनदेखा|नज़रअंदाज़"
    ),
    "instruction": (
        "instruction|instruktion|instruç|instrucci|istruzion|instrukcj|instructie|prompt|guideline|directive"
        "|anweisung|vorgabe|consigne|richtlij|wytyczn|инструкц|указани|指示|指令|ルール|تعليمات|지시|지침"
        "|talimat|hướng dẫn|निर्देश"
    ),
    "order": (
        "answer|reply|replies|respond|response|output|return|choose|select|pick|print|label|classif|categori[sz]|tag"
        "|mark|antwort|erwider|wähle|klassifizier|gib aus|répond|réponse|choisi|classe[rz]?|étiquette"
        "|respond[ea]|respuesta|contesta|elige|clasific|etiquet|rispondi|risposta|scegli|classific|etichett|respost|escolh|rotul"
        "|antwoord|beantwoord|kies|odpowied|odpowiadaj|wybierz|oznacz|ответ|отвеч|выбер|классифиц|метк|回答|答え"
        "|選|选择|標籤|标签|ラベル|分類|分类|أجب|الإجابة|اختر|صنف|답|선택|분류|cevap|yanıtla|seç|etiketle"
        "|trả lời|chọn|उत्तर|चुन"
    ),
}
_MODEL: Final = (
    r"\b(?:as an? ai\b|ai (?:model|assistant|system|labell?er|annotator|classifier)|language model"
    r"|large model|llm|chat ?gpt|chatbot|classifier|annotator|labell?er|system prompt|developer mode"
    r"|jailbreak"
    r"|prompt injection|sprachmodell|modèle de langage|modelo de lengua|modello linguistic|language-model)"
)
_MARKS: Final = (
    r"<\|[\w ]{1,30}\|>|\[/?inst\]|<</?sys>>|</?s>"
    r"|</?\s*(?:text|system|assistant|user|instructions?|prompt|answer|label)\s*/?>"
    r"|(?m:^\W{0,6}(?:system|assistant|user|human|ai|gpt|instructions?|response|answer|label|verdict"
    r"|classification)\W{0,3}\s*[:>\]])"
    r"|(?m:^#{2,} ?(?:instruction|response|system|input|answer|label))"
    r"|[\"'](?:label|answer|class|sentiment|category|verdict|role)[\"']\s*:"
    r"|\[(?:system|assistant|user|admin)\]|\bbegin (?:system|prompt|instructions)"
)
_ODD: Final = (
    r"[\x{E0020}-\x{E007F}\x{202D}\x{202E}\x{1D400}-\x{1D7FF}\x{FF21}-\x{FF5A}\x{24B6}-\x{24E9}]"
    r"|[\x{1F130}-\x{1F189}]"
    r"|[[:alpha:]][\x{200B}-\x{200D}\x{2060}\x{FEFF}\x{00AD}]+[[:alpha:]]"
    r"|[A-Za-z][\p{Cyrillic}\p{Greek}\p{Cherokee}\p{Armenian}]"
    r"|[\p{Cyrillic}\p{Greek}\p{Cherokee}\p{Armenian}][A-Za-z]"
)
_CODES: Final = (
    r"[A-Za-z0-9+/_-]{16,}={0,6}|(?:[0-9a-f]{2}[ :]?){8,}|(?:%[0-9a-f]{2}){4,}|(?:\\u[0-9a-f]{4}){3,}"
    r"|(?:\\x[0-9a-f]{2}){3,}|(?:&#x?[0-9a-f]{2,5};){3,}|(?:\b[01]{7,8}\b ?){4,}|(?:\b\d{2,3}\b[ ,]+){6,}"
)
_SPACED: Final = r"(?:\b\w\b[ .*_|-]{1,2}){4,}\w\b"
_TURNED: Final = (
    "erongi|rewsna|ylper|dnopser|tuptuo|lebal|yfissalc"
    "|vtaber|nafjre|ercyl|erfcbaq|bhgchg|ynory|pynffvsl|qvfertneq"
)
"""Words as they look backwards, and in ROT13."""
_LEET: Final = r"[a-z][013457@$][a-z013457@$]*"

_LEET_LETTERS: Final = str.maketrans("013457@$", "oieastas")
_ALIKE: Final = str.maketrans(
    "АВЕЅІЈКМНОРСТУХавеѕіјкмнорстухԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρικυτ",
    "ABESIJKMHOPCTYXabesijkmhopctyxdqwhABEZHIKMNOPTYXaovpikut",
)
_FORMAT = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_LETTERS = re.compile("[A-Za-z\u0370-\u052f]+")
_LATIN = re.compile("[A-Za-z]")
_MIN_READABLE: Final = 0.85


_QUOTE: Final = r"[\"'“”‘’«»`*(\[{<„「『]"
_AFTER_LETTER: Final = (
    r"[\"'”’»`*)\]}>.,;:!]|$|\n|\s+(?:with|and|only|always|no matter|regardless|mit|avec|con|com)\b"
)
"""What follows a capital that names an option: so that an article, or an initial, is none."""
_FIELD: Final = (
    r"\b(?:label|answer|option|class|category|sentiment|classification|verdict|rating|output|result)\b"
)
_EQUALS: Final = r"\W{0,3}\s*(?:\bis\b|\bmust be\b|\bshould be\b|[:=]|->|=>|→)+\s*"
_MASK: Final = "…"
_NEAR: Final = 40
_FAR: Final = 80
_SENTENCE_END = re.compile(r"[.!?\n](?:\s|$)")


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 32 << 20
    return options


def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _options())


_IGNORE: Final = _compiled(_WORDS["ignore"])
_INSTRUCTION: Final = _compiled(
    rf"{_WORDS['instruction']}|\bthe (?:above|rest)\b"
    r"|\b(?:above|previous|prior|earlier)\s+(?:text|rules?|messages?|tasks?)"
)
_ORDER: Final = _compiled(rf"(?:{_WORDS['order']})\w*")
_AFTERWARDS: Final = _compiled(
    r"\b(?:is|as)\s+(?:the|your)\s+(?:\w+ )?(?:answer|label|option|class|response|output)"
    r"|という|と答え|と回答|标签"
    r"|\bolarak\b|\bwith\s+(?:\w+ )?(?:certainty|confidence|probability)"
)
_ALONE: Final = _compiled(f"{_MODEL}|{_MARKS}")


class Signs(NamedTuple):
    """What a text was found to hold. `named` are the labels that it names; None if it names an option by a
    letter, which may be any."""

    is_raised: bool
    named: frozenset[str] | None


CLEAR: Final = Signs(False, frozenset())


class Suspicion:
    """The detector for one project's options: its labels, and their letters where these are answered."""

    def __init__(self, labels: Sequence[str], letters: str = "") -> None:
        names = "|".join(re.escape(name) for name in sorted(labels, key=len, reverse=True))
        self._labels = labels
        self._stems = _stems(rf"\b(?:{names})\b" + (rf"|\b(?-i:[{letters}])\b" if letters else ""))
        self._name = re.compile(rf"(?<!\w)(?:{names})(?!\w)", re.IGNORECASE)
        self._letter = re.compile(_lone(letters)) if letters else None
        last = chr(ord("A") + min(max(len(labels), 1), 26) - 1)
        self._option = _compiled(
            rf"\b(?:{names})\b|{_QUOTE}(?-i:[A-{last}])\b|\b(?-i:[A-{last}])(?:{_AFTER_LETTER})"
        )
        self._equals = _compiled(rf"{_FIELD}{_EQUALS}{_QUOTE}?\s?(?:\b(?:{names})\b|\b(?-i:[A-{last}])\b)")

    def signs(self, text: str) -> Signs:
        """Return whether a text looks like one that gives orders, as it stands or once decoded, and which
        options it names."""
        found = self._stems.Match(text.encode(errors="replace"))
        if not found:
            return CLEAR
        half = _LONGEST // 2
        pieces = [text] if len(text) <= _LONGEST else [text[:half], text[-half:]]
        is_raised = any(self._speaks(piece) or self._hides(piece, found) for piece in pieces)
        return Signs(is_raised, self._named(text))

    def _named(self, text: str) -> frozenset[str] | None:
        if self._letter is not None and self._letter.search(text):
            return None
        folded = {name.casefold() for name in self._name.findall(text)}
        return frozenset(label for label in self._labels if label.casefold() in folded)

    def masked(self, text: str) -> str:
        """Return the text without the options that it names."""
        text = self._name.sub(_MASK, text)
        return self._letter.sub(_MASK, text) if self._letter is not None else text

    def _hides(self, text: str, found: Sequence[int]) -> bool:
        """Return whether what is hidden in a text names an option or speaks to the LLM. None: it says enough
        that it was hidden."""
        readings = (read for number in found if number < len(_READERS) for read in _READERS[number](text))
        return any(
            read is None
            or (read != text and (self._name.search(read) and not self._name.search(text)))
            or (read != text and self._speaks(read))
            for read in readings
        )

    def _speaks(self, text: str) -> bool:
        if _ALONE.search(text) or self._equals.search(text):
            return True
        if _are_near(_ends(_IGNORE, text), _starts(_INSTRUCTION, text), text, _FAR):
            return True
        options = [match.span() for match in self._option.finditer(text)]
        if not options:
            return False
        orders = [match.span() for match in _ORDER.finditer(text)]
        return _are_near(
            [end for _, end in orders], [start for start, _ in options], text, _NEAR
        ) or _are_near([end for _, end in options], _starts(_AFTERWARDS, text), text, _NEAR)


@lru_cache(maxsize=256)
def suspicion_of(labels: tuple[str, ...], letters: str) -> Suspicion:
    """Return the detector for a project's options: made once, for it takes milliseconds."""
    return Suspicion(labels, letters)


def _lone(letters: str) -> str:
    """Return a pattern for an option's letter that stands alone: in capitals, and no article or pronoun.

    An `A` at the beginning of a sentence is an article; an `I` is a pronoun unless a mark follows it.
    """
    others = letters.replace("I", "")
    pattern = rf"(?<![A-Za-z0-9@#&'’.])[{others}](?![A-Za-z0-9&'’]|\.\w)"
    if "A" in others:
        pattern = rf"(?!(?:^|(?<=[.!?\n]\s)|(?<=[.!?\n]))A\s+[a-z]){pattern}"
    return rf"{pattern}|(?<!\w)I(?=[\"”»)\]:])" if "I" in letters else pattern


def _starts(pattern: Any, text: str) -> list[int]:
    return [match.start() for match in pattern.finditer(text)]


def _ends(pattern: Any, text: str) -> list[int]:
    return [match.end() for match in pattern.finditer(text)]


def _are_near(ends: Sequence[int], starts: Sequence[int], text: str, most: int) -> bool:
    """Return whether a start follows an end within `most` characters of the same sentence."""
    for end in ends:
        place = bisect_left(starts, end)
        while place < len(starts) and starts[place] - end <= most:
            if not _SENTENCE_END.search(text, end, starts[place]):
                return True
            place += 1
    return False


def _plain_again(text: str) -> Iterator[str | None]:
    """Yield the text without marks that are not seen, and with the letters that others imitate."""
    if re.search("[\U000e0020-\U000e007e]{3}", text.replace("\U0001f3f4", "")):
        hidden = "".join(chr(ord(c) - 0xE0000) for c in text if "\U000e0020" <= c <= "\U000e007e")
        yield None if len(hidden) > 8 else hidden
    if "\u202e" in text or "\u202d" in text:
        yield text[::-1]
    if sum(map(_is_mixed, _LETTERS.findall(text))) >= 2:
        yield None
    folded = unicodedata.normalize("NFKC", _FORMAT.sub("", text))
    yield folded
    yield folded.translate(_ALIKE)


def _is_mixed(word: str) -> bool:
    """Return whether a word of Latin, Greek and Cyrillic letters has Latin ones beside others.

    (A pattern that looks for the change takes time in proportion to the square of a long word.)
    """
    return not word.isascii() and _LATIN.search(word) is not None


def _decoded(text: str) -> Iterator[str | None]:
    """Yield what runs of base64, hexadecimal digits, escapes and numbers stand for, where that is text."""
    for run in re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", text):
        yield from _readable(_base64(run))
    for run in re.findall(r"[A-Z2-7]{16,}={0,6}", text):
        yield from _readable(_base32(run))
    for run in re.findall(r"(?:[0-9a-fA-F]{2}[ :]?){8,}", text):
        yield from _readable(bytes.fromhex(re.sub("[ :]", "", run)))
    for run in re.findall(r"(?:\b[01]{7,8}\b ?){4,}", text):
        yield from _readable(bytes(int(digits, 2) for digits in run.split()))
    for run in re.findall(r"(?:\b\d{2,3}\b[ ,]+){6,}\d{0,3}", text):
        yield from _readable(bytes(n for n in map(int, re.findall(r"\d+", run)) if n < 256))
    unescaped = html.unescape(unquote(re.sub(r"\\(?:u00|x)([0-9a-fA-F]{2})", r"%\1", text)))
    if unescaped != text:
        yield unescaped


def _base64(run: str) -> bytes:
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(run[: len(run) - (len(run) % 4 == 1)] + "===")
    except binascii.Error:
        return b""


def _base32(run: str) -> bytes:
    run = run.rstrip("=")
    try:
        return base64.b32decode(run + "=" * (-len(run) % 8))
    except binascii.Error:
        return b""


def _readable(raw: bytes) -> Iterator[str | None]:
    """Yield bytes that are text; None if they are so clearly words that nobody hides without a reason."""
    letters = sum(byte in b" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" for byte in raw)
    if len(raw) >= 6 and letters >= _MIN_READABLE * len(raw):
        yield None if b" " in raw.strip() and len(raw) >= 8 else raw.decode("ascii", "replace")


def _joined(text: str) -> Iterator[str | None]:
    """Yield the text with letters joined that are spaced out."""

    def join(match: re.Match[str]) -> str:
        return " ".join(re.sub(r"[ .*_|-](?! )", "", word) for word in re.split(r"  ", match[0]))

    yield re.sub(_SPACED, join, text)
    yield re.sub(_SPACED, lambda match: re.sub(r"[ .*_|-]", "", match[0]), text)


def _turned(text: str) -> Iterator[str | None]:
    yield text[::-1]
    yield codecs.encode(text, "rot13")


def _unleeted(text: str) -> Iterator[str | None]:
    yield text.lower().translate(_LEET_LETTERS)


_READERS: Final[tuple[Callable[[str], Iterator[str | None]], ...]] = (
    _plain_again,
    _decoded,
    _joined,
    _turned,
    _unleeted,
)
"""What reads a text anew, in the order of `_TRICKS`."""
_TRICKS: Final = (_ODD, _CODES, _SPACED, _TURNED, _LEET)


def _stems(options: str) -> re2.Set:
    """Return the first pass: a pattern for each reader, and one for plain speech or the name of an option."""
    stems = re2.Set.SearchSet(_options())
    plain = [*_WORDS.values(), _MODEL, _MARKS, _FIELD + _EQUALS, "certainty|confidence|probability", options]
    for pattern in (*_TRICKS, "|".join(plain)):
        stems.Add(pattern)
    stems.Compile()
    return stems
