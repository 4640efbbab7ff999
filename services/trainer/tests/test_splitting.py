import random
import string
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainer import splitting
from trainer.splitting import (
    MOST_A_BAND,
    SIMILARITY,
    Placed,
    Side,
    normalised,
    place,
    place_all,
    similarities,
    sketch,
)

TEXTS = st.text(min_size=1, max_size=60)
WORDS = ["".join(random.Random(n).choices(string.ascii_lowercase, k=6)) for n in range(400)]


def words(seed: int, count: int = 40) -> list[str]:
    return random.Random(seed).choices(WORDS, k=count)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great day!", "great   DAY"),
        ("so good http://t.co/abc", "so good https://x.y/z @you"),
        ("\uff27\uff52\uff45\uff41\uff54", "great"),
    ],
)
def test_what_copies_differ_in_does_not_count(one: str, other: str) -> None:
    assert sketch("p", one) == sketch("p", other)


def test_texts_without_words_keep_their_signs() -> None:
    assert normalised(" :-) ") == ":-)"
    assert sketch("p", ":-)").key != sketch("p", ":-(").key


@given(TEXTS)
def test_a_sketch_is_fixed_by_its_text_and_project(text: str) -> None:
    assert sketch("p", text) == sketch("p", text)
    assert not set(sketch("p", text).bands) & set(sketch("q", text).bands)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 30))
def test_the_estimate_is_near_the_true_similarity(seed: int, changes: int) -> None:
    original = words(seed)
    changed = list(original)
    for at in random.Random(seed).sample(range(len(changed)), changes):
        changed[at] = f"other{at}"
    one, other = " ".join(original), " ".join(changed)
    shingles = [{text[at : at + 5] for at in range(len(text) - 4)} for text in (one, other)]
    true = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    (estimate,) = similarities(sketch("p", one).signature, [sketch("p", other).signature])
    assert abs(estimate - true) < 5 * 0.0625


def test_near_duplicates_share_a_side_and_a_group_and_strangers_do_not() -> None:
    rng = random.Random(5)
    texts = []
    for family in range(150):
        base = words(family)
        for copy in range(3):
            member = list(base)
            member[rng.randrange(len(member))] = f"variant{copy}"
            texts.append((sketch("p", " ".join(member)), rng.random()))
    placed = place_all(texts, [], 0.3)
    together = 0
    for family in range(150):
        members = placed[3 * family : 3 * family + 3]
        together += len({member.group for member in members}) == 1 == len({member.side for member in members})
    assert together >= 147
    assert len({member.group for member in placed}) <= 156
    share = sum(member.side is Side.HOLDOUT for member in placed) / len(placed)
    assert 0.15 < share < 0.45


def test_equal_texts_share_a_side_whatever_their_draws() -> None:
    text = sketch("p", "the same words once more")
    placed = place_all([(text, 0.0), (text, 0.99)], [], 0.2)
    assert [each.side for each in placed] == [Side.HOLDOUT, Side.HOLDOUT]


def test_what_resembles_both_sides_is_left_out() -> None:
    text = sketch("p", " ".join(words(1)))
    neighbours = [
        Placed(text._replace(key="other"), "a", Side.TRAIN),
        Placed(text._replace(key="another"), "b", Side.HOLDOUT),
    ]
    assert place(text, neighbours, 0.0, 0.2).side is Side.LEFT_OUT
    left_out = [Placed(text._replace(key="third"), "c", Side.LEFT_OUT)]
    assert place(text, left_out, 0.0, 0.2).side is Side.HOLDOUT


@given(st.lists(st.tuples(TEXTS, st.floats(0, 0.999)), max_size=30), st.integers(0, 30))
def test_placing_in_batches_is_placing_at_once(texts: list[tuple[str, float]], cut: int) -> None:
    sketched = [(sketch("p", text), draw) for text, draw in texts]
    whole = place_all(sketched, [], 0.5)
    first = place_all(sketched[:cut], [], 0.5)
    assert whole == first + place_all(sketched[cut:], first, 0.5)


def test_a_long_text_is_sketched_by_its_beginning() -> None:
    long = " ".join(words(1, 40_000))
    (likeness,) = similarities(sketch("p", long).signature, [sketch("p", long + " end").signature])
    assert likeness > SIMILARITY


def test_texts_of_one_template_are_compared_with_the_first_of_them_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []

    def counted(one: bytes, others: Sequence[bytes]) -> list[float]:
        compared.append(len(others))
        return similarities(one, others)

    monkeypatch.setattr(splitting, "similarities", counted)
    template = " ".join(words(1))
    texts = [(sketch("p", f"{template} {number}"), 0.5) for number in range(400)]
    placed = place_all(texts, [], 0.2)
    assert len({each.group for each in placed}) == 1
    assert max(compared) < 2 * MOST_A_BAND
    assert place_all(texts, placed, 0.2) == placed, "equal texts are found beyond what is compared"
