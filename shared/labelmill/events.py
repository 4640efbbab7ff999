"""Every event that crosses Kafka, as frozen msgspec structs, encoded as JSON.

All times are Unix milliseconds, all money is US dollars. `v` is the schema version: a consumer that
meets another version refuses the record (reason `unknown_schema_version`) instead of guessing.
"""

from typing import Any, Generic, Literal, TypeVar

import msgspec

from labelmill import ids
from labelmill.acceptance import Acceptance
from labelmill.errors import InvalidRecord
from labelmill.projects import ProjectSpec
from labelmill.quality import Quality
from labelmill.releases import Release

Label = str | list[Any] | dict[str, Any]
"""A label's value: a string for `choice`; lists or objects for the structured kinds."""

MAX_CONTENT_BYTES = 256 * 1024
"""Longest item content, in UTF-8 bytes. Longer texts do not fit a prompt and crowd out other records."""

MAX_METADATA_BYTES = 64 * 1024
"""Most metadata of an item, names and values together: it travels with every event of the item."""

MAX_RECORD_BYTES = 2 * 1024 * 1024
"""Longest record that is decoded. An event made from it still fits its topic, and its dead letter the DLQ."""

MAX_ID_CHARS = 200


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has."""

    v: Literal[1] = 1
    project: str


class ItemIngested(Event, frozen=True, kw_only=True):
    """A raw item to be labelled, by no older guideline than `guideline_version`. Key: `project/item_id`."""

    item_id: str
    content: str
    metadata: dict[str, str] = {}
    ingested_at: int = 0
    guideline_version: int = 0

    @property
    def content_hash(self) -> str:
        return ids.content_hash(self.content, self.metadata)


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One voter's opinion on one item.

    `source` names how the confidence was made (`logprobs`, `student`, ...): raw confidences of
    different sources are never compared. `calls` (to its model), tokens and `cost_usd` are what this vote
    took when it was made; a vote answered from the cache has `cached` set and cost nothing again.
    """

    voter: str
    version: str
    source: str
    label: Label
    confidence: float
    probabilities: dict[str, float] = {}
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    cached: bool = False
    calls: int = 0


class LabelScored(Event, frozen=True, kw_only=True):
    """The pooled opinion of all voters on one item. Key: `project/item_id`."""

    event_id: str
    item_id: str
    content_hash: str
    kind: str
    label: Label
    confidence: float
    """The probability that the label is right: calibrated where `calibrated` is set, else as pooled."""
    probabilities: dict[str, float]
    """As pooled, before the calibration."""
    votes: list[Vote]
    guideline_version: int
    release: int
    """Number of the release the voters came from; 0 before the first."""
    calibrated: bool = False
    over_budget: bool = False
    """Voters were left out because the day's budget is spent."""
    suspicious: bool = False
    """The text seems to speak to the LLM rather than to people, so what the LLM says proves little."""
    metadata: dict[str, str] = {}
    ingested_at: int = 0
    scored_at: int = 0


class Routed(Event, frozen=True, kw_only=True):
    """What the router decided about a scored label, with the whole score as its lineage.

    `propensity` is the probability, under the policy and before the audit draw, that this item would
    go to a person; weighting a decision by its inverse undoes the selection.
    """

    event_id: str
    item_id: str
    reasons: list[str]
    propensity: float
    project_version: int
    score: LabelScored
    routed_at: int = 0


class LabelAccepted(Routed, frozen=True, kw_only=True):
    """The policy accepts the machine's label as final."""


class ReviewRequested(Routed, frozen=True, kw_only=True):
    """The policy asks people. `blind`: they must not see the machine's label.

    `audit_rate` is the probability with which this item was drawn as a blind audit, over all that the policy
    does not always send to people; 0 if it was not drawn, or for a policy that promises no error.
    """

    blind: bool = False
    decisions_needed: int = 1
    audit_rate: float = 0.0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One person's answer to a task."""

    reviewer: str
    label: Label
    decided_at: int
    seconds: float
    """Active time from claim to submit, measured by the server."""


class ReviewDecided(Event, frozen=True, kw_only=True):
    """People settled an item. It carries the content, so that the trainer needs nobody's tables."""

    event_id: str
    item_id: str
    task_id: int
    kind: str
    content: str
    metadata: dict[str, str]
    label: Label
    machine_label: Label
    machine_confidence: float
    decisions: list[Decision]
    reasons: list[str]
    propensity: float
    blind: bool
    guideline_version: int
    release: int
    decided_at: int
    votes: list[Vote] = []
    """The machine's votes, with which the trainer can score the item anew."""
    audit_rate: float = 0.0
    """As in ReviewRequested."""

    @property
    def is_correction(self) -> bool:
        return self.label != self.machine_label


class ProjectPublished(Event, frozen=True, kw_only=True):
    """A project's present definition; the newest per key wins. Key: the project."""

    version: int
    guideline_version: int
    spec: ProjectSpec
    published_at: int = 0


class ReleasePublished(Event, frozen=True, kw_only=True):
    """The release in force for a project; the newest per key wins. Key: the project."""

    release: Release
    published_at: int = 0


class AcceptancePublished(Event, frozen=True, kw_only=True):
    """What evidence allows to accept under a project's promise; the newest per key wins. Key: the project."""

    acceptance: Acceptance
    published_at: int = 0


class QualityPublished(Event, frozen=True, kw_only=True):
    """What decisions tell about the machine's labels; the newest per key wins. Key: the project."""

    quality: Quality
    published_at: int = 0


class ErasureRequested(Event, frozen=True, kw_only=True):
    """An item is to be forgotten. Key: `project/item_id`."""

    erasure_id: int
    item_id: str
    content_hash: str
    requested_at: int = 0


class ErasureConfirmed(Event, frozen=True, kw_only=True):
    """A service has forgotten some items. Key: the project.

    `items` are their hashes (`ids.item_hash`), `removed` the rows that were taken out or blanked, by table.
    """

    erasure_id: int
    service: str
    items: list[str]
    removed: dict[str, int] = {}
    confirmed_at: int = 0


E = TypeVar("E", bound=Event)

_encoder = msgspec.json.Encoder()


class _VersionOnly(msgspec.Struct):
    v: Any = 1


def encode(event: msgspec.Struct) -> bytes:
    """Return the event as JSON bytes."""
    return _encoder.encode(event)


class EventDecoder(Generic[E]):
    """Decodes one event type from record values and names what is wrong with those that do not fit."""

    def __init__(self, event_type: type[E]) -> None:
        self._decoder = msgspec.json.Decoder(event_type)
        self._name = event_type.__name__

    def decode(self, value: bytes | None) -> E:
        """Return the event in `value`.

        Raises:
            InvalidRecord: `empty_record`, `record_too_large`, `invalid_utf8`, `malformed_json`,
                `nested_too_deeply`, `unknown_schema_version` or `invalid_event`, with the position or field
                in the detail.
        """
        if value is None:
            raise InvalidRecord("empty_record", f"a {self._name} needs a value")
        if len(value) > MAX_RECORD_BYTES:
            detail = f"a {self._name} of {len(value)} bytes; at most {MAX_RECORD_BYTES} are taken"
            raise InvalidRecord("record_too_large", detail)
        try:
            # The decoder skips fields it does not know without looking at their bytes, which travel on.
            value.decode()
            return self._decoder.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._refusal(value, error) from error

    def _refusal(self, value: bytes, error: Exception) -> InvalidRecord:
        if isinstance(error, UnicodeDecodeError):
            return InvalidRecord("invalid_utf8", str(error))
        if isinstance(error, RecursionError):
            return InvalidRecord("nested_too_deeply", f"{self._name}: too many objects within objects")
        if not isinstance(error, msgspec.ValidationError):
            return InvalidRecord("malformed_json", str(error))
        version = _version_of(value)
        if version != 1:
            return InvalidRecord("unknown_schema_version", f"{self._name} v{version}; this build knows v1")
        return InvalidRecord("invalid_event", f"{self._name}: {error}")


def _version_of(value: bytes) -> Any:
    """Return the version that an event claims; 1 if it claims none or is no event at all."""
    try:
        return msgspec.json.decode(value, type=_VersionOnly).v
    except (msgspec.DecodeError, RecursionError):
        return 1


def check_item(item: ItemIngested) -> ItemIngested:
    """Return `item` if it can be labelled and stored.

    Raises:
        InvalidRecord: `content_too_large`, `metadata_too_large`, `content_empty`, `invalid_item_id` or
            `nul_character` (PostgreSQL stores none).
    """
    size = _utf8_size(item.content)
    if size > MAX_CONTENT_BYTES:
        detail = f"content has {size} bytes; at most {MAX_CONTENT_BYTES} are taken: split the item"
        raise InvalidRecord("content_too_large", detail)
    if not item.content.strip():
        raise InvalidRecord("content_empty", "there is nothing to label")
    if not item.item_id or len(item.item_id) > MAX_ID_CHARS:
        raise InvalidRecord("invalid_item_id", f"item_id must have 1 to {MAX_ID_CHARS} characters")
    metadata = "".join([*item.metadata, *item.metadata.values()])
    if len(metadata) * 4 > MAX_METADATA_BYTES and _utf8_size(metadata) > MAX_METADATA_BYTES:
        raise InvalidRecord("metadata_too_large", f"metadata may have {MAX_METADATA_BYTES} bytes: keep less")
    if "\0" in item.content or "\0" in item.item_id or "\0" in metadata:
        raise InvalidRecord("nul_character", "text with NUL characters cannot be stored: remove them")
    return item


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
