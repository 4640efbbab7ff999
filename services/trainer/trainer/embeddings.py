"""Vectors of decided texts: from the cache where they are there, else from the training process."""

from collections.abc import Mapping, Sequence

import numpy as np
from labelmill.embedding import MINILM
from numpy.typing import NDArray

from trainer.datasets import Text
from trainer.errors import WorkerFailed
from trainer.settings import TrainerSettings
from trainer.store import Store
from trainer.training_process import TrainingProcess
from trainer.work import Embed, Embedded

_AT_ONCE = 256
"""Texts embedded before they are stored: so many are embedded again after a crash at most."""


class Embeddings:
    """Embeds each text once."""

    def __init__(self, store: Store, settings: TrainerSettings) -> None:
        self._store = store
        self._settings = settings

    async def of(self, texts: Sequence[Text], process: TrainingProcess | None = None) -> NDArray[np.float32]:
        """Return one row a text. Without a `process` one is started if a text is new. Raises WorkerFailed."""
        chunks = []
        for start in range(0, len(texts), _AT_ONCE):
            chunks.append(await self._chunk(texts[start : start + _AT_ONCE], process))
        return np.concatenate(chunks) if chunks else np.empty((0, 0), np.float32)

    async def _chunk(self, texts: Sequence[Text], process: TrainingProcess | None) -> NDArray[np.float32]:
        vectors = await self._store.embeddings(MINILM, [text.content_hash for text in texts])
        missing = {text.content_hash: text for text in texts if text.content_hash not in vectors}
        if missing:
            contents = await self._store.contents(list(missing.values()))
            fresh = await self._fresh(dict(zip(missing, contents, strict=True)), process)
            await self._store.add_embeddings(MINILM, fresh)
            vectors |= fresh
        packed = b"".join(vectors[text.content_hash] for text in texts)
        return np.frombuffer(packed, "<f4").reshape(len(texts), -1)

    async def _fresh(self, contents: Mapping[str, str], process: TrainingProcess | None) -> dict[str, bytes]:
        if process is not None:
            return await _embed(contents, process)
        settings = self._settings
        async with TrainingProcess(settings.training_threads, settings.training_timeout_seconds) as own:
            return await _embed(contents, own)


async def _embed(texts: Mapping[str, str], process: TrainingProcess) -> dict[str, bytes]:
    reply = await process.call(Embed(MINILM, list(texts.values())))
    if not isinstance(reply, Embedded):
        raise WorkerFailed(f"texts were answered with {type(reply).__name__}")
    size = reply.dimensions * 4
    return {
        content_hash: reply.vectors[row * size : (row + 1) * size] for row, content_hash in enumerate(texts)
    }
