"""Text embeddings for the student: one interface, and the embedders by the name a release carries."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labelmill.errors import EmbedderUnavailable

MINILM = "all-MiniLM-L6-v2-int8"


class Embedder(Protocol):
    """Turns texts into vectors. Safe to use from several threads at once."""

    @property
    def name(self) -> str:
        """Names the vector space: vectors of different names are never mixed."""

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector a text, shape (texts, dimensions). The same text gives the same vector
        whatever its neighbours. Takes milliseconds a text: call it from a worker thread."""


def load_embedder(name: str = MINILM, *, threads: int = 1) -> Embedder:
    """Return the embedder of that name; `threads` is how many cores one call may use.

    Loads the model (0.3 s, 120 MB). Raises EmbedderUnavailable if the name is unknown or its packages
    (extra `embedding` of labelmill-shared) are missing.
    """
    if name != MINILM:
        raise EmbedderUnavailable(f"embedder {name!r} is unknown; known is {MINILM}")
    try:
        from labelmill.embedding.minilm import MiniLm  # noqa: PLC0415 (heavy and optional)
    except ImportError as error:
        raise EmbedderUnavailable(f"install labelmill-shared[embedding]: {error}") from error
    return MiniLm(threads=threads)
