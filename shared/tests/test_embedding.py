"""The MiniLM embedder: shapes, meaning, and independence of the batch."""

import numpy as np
import pytest
from labelmill.embedding import MINILM, Embedder, load_embedder
from labelmill.errors import EmbedderUnavailable

TEXTS = ["I love this film", "what a wonderful movie", "the train to Leeds is late again", "", "x" * 300_000]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


def test_gives_unit_vectors_of_the_promised_size(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert embedder.name == MINILM
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_like_texts_are_near(embedder: Embedder) -> None:
    film, movie, train = embedder.embed(TEXTS[:3])
    assert film @ movie > 0.5 > film @ train


def test_a_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS * 20)
    alone = np.vstack([embedder.embed([text]) for text in TEXTS])
    assert np.allclose(together[: len(TEXTS)], alone, atol=1e-5)


def test_nothing_gives_nothing(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_refuses_a_name_it_does_not_know() -> None:
    with pytest.raises(EmbedderUnavailable, match="word2vec"):
        load_embedder("word2vec")
