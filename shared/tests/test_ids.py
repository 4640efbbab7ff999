"""Ids: fixed by their parts, and different where the parts differ."""

from hypothesis import given
from hypothesis import strategies as st
from labelmill import ids

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
metadata = st.dictionaries(texts, texts, max_size=4)


def test_ids_stay_the_same_from_release_to_release() -> None:
    assert ids.event_id("scored", "tweets", "1") == "c9d0b097be187fad6fe55b2e6ce3f630"
    assert ids.content_hash("good day", {}) == "cda3d4a9839173f76184b9867e7a5bcb"
    assert ids.content_hash("good day", {"lang": "en"}) == "fdd1b49e627b88c5fdf6d00c2ca3afe5"
    assert ids.uniform("seed", "audit", "tweets", "1") == 0.6998821828896865


@given(st.lists(texts.filter(lambda t: "\x1f" not in t), min_size=1, max_size=4), st.integers(0, 3), texts)
def test_another_part_makes_another_event_id(parts: list[str], at: int, other: str) -> None:
    changed = [*parts[: at % len(parts)], other, *parts[at % len(parts) + 1 :]]
    assert (ids.event_id(*parts) == ids.event_id(*changed)) == (parts == changed)
    assert len(ids.event_id(*parts)) == 32


def test_parts_do_not_run_together() -> None:
    assert ids.event_id("ab", "c") != ids.event_id("a", "bc")


@given(texts, metadata, texts, metadata)
def test_only_the_same_content_and_metadata_have_the_same_hash(
    one: str, its: dict[str, str], other: str, others: dict[str, str]
) -> None:
    same = (one, its) == (other, others)
    assert (ids.content_hash(one, its) == ids.content_hash(other, others)) == same


@given(texts, metadata)
def test_the_order_of_metadata_does_not_count(content: str, its: dict[str, str]) -> None:
    backwards = dict(reversed(its.items()))
    assert ids.content_hash(content, its) == ids.content_hash(content, backwards)


def test_metadata_cannot_be_written_to_pass_for_other_metadata_or_content() -> None:
    tricky = [
        ("x", {"a": "b", "c": "d"}),
        ("x", {"a": "b\x1fc\x1ed"}),
        ("x\x1fa\x1eb\x1fc\x1ed", {}),
        ("x", {"a\x1eb\x1fc": "d"}),
        ("x", {"ab": "", "c": "d"}),
    ]
    assert len({ids.content_hash(content, its) for content, its in tricky}) == len(tricky)


@given(st.text(max_size=10).filter(str.isprintable), texts)
def test_draws_lie_in_the_unit_interval_and_repeat(key: str, part: str) -> None:
    assert 0.0 <= ids.uniform(key, part) < 1.0
    assert ids.uniform(key, part) == ids.uniform(key, part)


def test_draws_are_uniform_and_depend_on_the_key() -> None:
    draws = [ids.uniform("key", str(i)) for i in range(20_000)]
    for tenth in range(10):
        share = sum(tenth <= draw * 10 < tenth + 1 for draw in draws) / len(draws)
        assert abs(share - 0.1) < 0.01
    others = [ids.uniform("other", str(i)) for i in range(20_000)]
    both = sum(a < 0.5 and b < 0.5 for a, b in zip(draws, others, strict=True)) / len(draws)
    assert abs(both - 0.25) < 0.015
