"""Clusters of texts, named by their top words. Pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

_TEXTS_A_CLUSTER: Final = 40
_MOST: Final = 12
_NAME_WORDS: Final = 3
_MOST_WORDS: Final = 5000
_WORD: Final = r"(?u)[^\W\d_]{3,}"


def clusters(vectors: NDArray[np.float32], texts: Sequence[str], seed: int = 0) -> dict[str, list[int]]:
    """Return row numbers by the name of their cluster; empty if the texts are too few to tell clusters.

    A cluster's name is the words that weigh more (tf-idf) in its texts than in the others.
    """
    count = min(_MOST, len(texts) // _TEXTS_A_CLUSTER)
    if count < 2:
        return {}
    with threadpool_limits(1):
        assigned = MiniBatchKMeans(count, random_state=seed, n_init=3).fit_predict(vectors)
    vectorizer = TfidfVectorizer(max_features=_MOST_WORDS, token_pattern=_WORD, sublinear_tf=True)
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # not a word in any text
        return {}
    words = vectorizer.get_feature_names_out()
    found: dict[str, list[int]] = {}
    for cluster in range(count):
        inside = assigned == cluster
        if inside.any() and not inside.all():
            above = np.asarray(weights[inside].mean(axis=0) - weights[~inside].mean(axis=0)).ravel()
            name = ", ".join(words[above.argsort()[::-1][:_NAME_WORDS]])
            found.setdefault(name, []).extend(np.flatnonzero(inside).tolist())
    return found
