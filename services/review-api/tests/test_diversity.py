"""Every kind of text in turn."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from review_api.tasks import diversity


def around(centre: list[float], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    vectors = np.array(centre) + rng.normal(0.0, 0.1, (count, len(centre)))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_rare_kinds_come_early() -> None:
    rng = np.random.default_rng(4)
    kinds = ["common"] * 950 + ["rare"] * 45 + ["rarest"] * 5
    parts = [around([1, 0, 0], 950, rng), around([0, 1, 0], 45, rng), around([0, 0, 1], 5, rng)]
    placed = diversity.values(np.concatenate(parts), rng.uniform(0.4, 0.9, 1000).tolist())
    ranked = [kind for _, kind in sorted(zip(placed, kinds, strict=True))]
    assert set(ranked[:3]) == {"common", "rare", "rarest"}
    first = Counter(ranked[:300])
    assert first["rare"] >= 30, "by chance there would be 13"
    assert first["rarest"] == 5
    assert len(set(placed)) == len(placed)
    assert min(placed) == 0.0
    assert max(placed) < 1.0


def test_beyond_the_centres_clusters_take_turns_and_the_less_sure_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diversity, "MOST_CENTRES", 2)
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], np.float32)
    placed = diversity.values(vectors, [0.9, 0.5, 0.7, 0.6, 0.8, 0.55])
    ranked = [number for _, number in sorted(zip(placed, range(6), strict=True))]
    assert sorted(ranked[:2]) in ([0, 3], [0, 4], [0, 5], [1, 3]), "a centre of each cluster"
    assert {number // 3 for number in ranked[2:4]} == {0, 1}, "then one of each"
    assert {number // 3 for number in ranked[4:]} == {0, 1}
    rest = [number for number in ranked[2:] if number < 3]
    assert rest == sorted(rest, key=[0.9, 0.5, 0.7].__getitem__)


def test_nothing_and_one() -> None:
    assert diversity.values(np.empty((0, 3), np.float32), []) == []
    assert diversity.values(np.ones((1, 1), np.float32), [0.5]) == [0.0]
