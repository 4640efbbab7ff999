"""Lines to items, and which of them are new. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import msgspec
from labelmill import provenance
from labelmill.errors import InvalidRecord
from labelmill.events import ItemIngested, check_item
from labelmill.topics import item_key

from review_api.items.lines import MOST_LINE_BYTES, Line

MOST_SHOWN: Final = 100
"""How many rejected lines an answer shows; all are counted."""


Refusal = Literal["erased", "gold_id"]

_REFUSALS: Final[dict[Refusal, str]] = {
    "erased": "the item was erased, and its id is not taken again",
    "gold_id": "the id belongs to a gold text, which is no item: give the item another id",
}


class ItemLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of an ingestion request."""

    item_id: str
    content: str
    metadata: dict[str, str] = {}
    owner: str = ""
    licence: str = ""
    source: str = ""
    consent: str = ""


class Incoming(NamedTuple):
    """An item on its way in, with the number of its line."""

    line: int
    item: ItemIngested
    key: bytes
    content_hash: str


@dataclass(frozen=True)
class Rejected:
    """A line that was not taken, and why. `item_id` is None if the line could not be read."""

    line: int
    item_id: str | None
    reason: str
    detail: str


@dataclass
class Outcome:
    """What became of a request's lines."""

    accepted: int = 0
    duplicates: int = 0
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def reject(self, line: int, item_id: str | None, error: InvalidRecord) -> None:
        """Count a line that was not taken."""
        self.rejected_count += 1
        self.reasons[error.reason] += 1
        if len(self.rejected) < MOST_SHOWN:
            self.rejected.append(Rejected(line, item_id, error.reason, error.detail))


_decoder = msgspec.json.Decoder(ItemLine)


def read_items(project: str, lines: Iterable[Line], now_ms: int, outcome: Outcome) -> list[Incoming]:
    """Return the items in `lines`; those that cannot be used are counted in `outcome`."""
    incoming = []
    for number, text in lines:
        item_id = None
        try:
            line = _read(text)
            item_id = line.item_id
            item = check_item(
                ItemIngested(
                    project=project,
                    item_id=item_id,
                    content=line.content,
                    metadata=_metadata(line),
                    ingested_at=now_ms,
                )
            )
        except InvalidRecord as error:
            outcome.reject(number, item_id, error)
        else:
            incoming.append(Incoming(number, item, item_key(project, item_id), item.content_hash))
    return incoming


def refuse(incoming: list[Incoming], refused: Mapping[str, Refusal], outcome: Outcome) -> list[Incoming]:
    """Return the items whose ids are not `refused`; the others are counted by the reason."""
    if not refused:
        return incoming
    for each in incoming:
        if (reason := refused.get(each.item.item_id)) is not None:
            outcome.reject(each.line, each.item.item_id, InvalidRecord(reason, _REFUSALS[reason]))
    return [each for each in incoming if each.item.item_id not in refused]


def screen(incoming: Iterable[Incoming], known: MutableMapping[str, str], outcome: Outcome) -> list[Incoming]:
    """Return the items that are new; the others are counted as duplicates or rejected.

    `known` maps item ids to content hashes; it learns the new ones.
    """
    new = []
    for each in incoming:
        item_id = each.item.item_id
        present = known.get(item_id)
        if present is None:
            known[item_id] = each.content_hash
            new.append(each)
        elif present == each.content_hash:
            outcome.duplicates += 1
        else:
            error = InvalidRecord("conflicting_duplicate", "the item is known with other content or metadata")
            outcome.reject(each.line, item_id, error)
    return new


def _metadata(line: ItemLine) -> dict[str, str]:
    """Return the line's metadata with its provenance under the reserved names. Raises InvalidRecord."""
    given = (line.owner, line.licence, line.source, line.consent)
    named = {name: value for name, value in zip(provenance.NAMES, given, strict=True) if value}
    metadata = {**line.metadata, **named} if named else line.metadata
    if metadata and (found := provenance.of(metadata)):
        if found.get("consent", "").strip().lower() in provenance.WITHDRAWN:
            raise InvalidRecord("no_consent", f"consent is {found['consent']!r}: the item must not be used")
        if any(len(value) > provenance.MAX_CHARS for value in found.values()):
            detail = f"owner, licence, source and consent have at most {provenance.MAX_CHARS} characters"
            raise InvalidRecord("invalid_provenance", detail)
    return metadata


def _read(text: bytes | None) -> ItemLine:
    if text is None:
        raise InvalidRecord("line_too_long", f"a line has at most {MOST_LINE_BYTES} bytes")
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise InvalidRecord("invalid_item", str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidRecord("invalid_utf8", str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRecord("malformed_json", str(error)) from error
