"""Which decided items are shown for an item."""

import numpy as np
import pytest
from autolabeler.similar import Shots, shots_of
from labelmill.projects import Example
from labelmill.releases import Evaluation, Release, Shot
from labelmill.student import pack

TEXTS = ["the cat sat", "a dog ran by", "the cat sat down again here", "stocks fell sharply"]


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def release(*shots: Shot) -> Release:
    evaluation = Evaluation(items=1, accuracy=1.0, present_accuracy=0.0)
    return Release(
        number=1,
        dataset="d",
        decisions=1,
        evaluation=evaluation,
        created_at=0,
        embedder="e",
        shots=list(shots),
    )


def shots(*degrees: float) -> Shots:
    examples = tuple(Example(content=text, label="a") for text in TEXTS[: len(degrees)])
    return Shots(examples, at(*degrees), "e")


def contents(found: tuple[Example, ...]) -> list[str]:
    return [example.content for example in found]


def test_the_nearest_come_first() -> None:
    (found,) = shots(0, 90, 70, 20).near(["something else"], at(48), 3)
    assert contents(found) == [TEXTS[2], TEXTS[3], TEXTS[1]]


def test_an_item_is_never_its_own_example() -> None:
    (found,) = shots(0, 90, 60).near(["something else"], at(1), 2)
    assert TEXTS[0] not in contents(found), "the vectors tell"
    (found,) = shots(0, 90, 60).near(["The cat  SAT!"], at(45), 3)
    assert TEXTS[0] not in contents(found), "the words tell"
    assert len(found) == 2


def test_there_may_be_fewer_than_are_wanted() -> None:
    assert [len(found) for found in shots(0, 90).near(["x", "y"], at(45, 50), 9)] == [2, 2]


def test_shots_come_from_the_release_and_fit_the_labels() -> None:
    one = Shot(example=Example(content="x", label="a"), vector=pack(at(10)))
    other = Shot(example=Example(content="y", label="gone"), vector=pack(at(20)))
    found = shots_of(release(one, other), ["a", "b"])
    assert found is not None
    assert (contents(found.examples), found.embedder) == (["x"], "e")
    assert found.vectors == pytest.approx(at(10))


def test_a_release_without_usable_shots_has_none() -> None:
    one = Shot(example=Example(content="x", label="a"), vector=pack(at(10)))
    odd = Shot(example=Example(content="y", label="a"), vector=b"1234")
    assert shots_of(None, ["a"]) is None
    assert shots_of(release(), ["a"]) is None
    assert shots_of(release(one, odd), ["a"]) is None
