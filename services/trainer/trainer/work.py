"""What the trainer and its training process say to each other: msgpack, each message after its length."""

from typing import Final

import msgspec
from labelmill.releases import StudentModel

LENGTH_BYTES: Final = 8


class Embed(msgspec.Struct, frozen=True, tag=True):
    """Asks for embeddings of `texts`."""

    embedder: str
    texts: list[str]


class Fit(msgspec.Struct, frozen=True, tag=True):
    """Asks for a student. `vectors` is float32, shape (decisions, dimensions), row-major."""

    embedder: str
    dimensions: int
    vectors: bytes
    labels: list[str]
    groups: list[str]
    weights: list[float]
    sure_accuracy: float


class Cluster(msgspec.Struct, frozen=True, tag=True):
    """Asks for clusters of texts. `vectors` is float32, shape (texts, dimensions), row-major."""

    dimensions: int
    vectors: bytes
    texts: list[str]


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """The answer to Embed: float32, shape (texts, dimensions), row-major."""

    dimensions: int
    vectors: bytes


class Fitted(msgspec.Struct, frozen=True, tag=True):
    """The answer to Fit. `shares` is float32, shape (decisions, classes), row-major: the out-of-fold
    probabilities, NaN where there are none."""

    model: StudentModel
    shares: bytes


class Clustered(msgspec.Struct, frozen=True, tag=True):
    """The answer to Cluster: row numbers by the cluster's name."""

    rows: dict[str, list[int]]


class Lacking(msgspec.Struct, frozen=True, tag=True):
    """The answer to Fit when the decisions do not suffice."""

    reason: str


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The answer when the work met an error."""

    error: str


Request = Embed | Fit | Cluster
Reply = Embedded | Fitted | Clustered | Lacking | Broken

_encoder = msgspec.msgpack.Encoder()


def framed(message: Request | Reply) -> bytes:
    """Return the message with its length before it."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
