"""How answers are packed into rows."""

from autolabeler.store import Stored, pack, unpack
from autolabeler.voters import Answer
from hypothesis import given
from hypothesis import strategies as st


@given(
    st.binary(min_size=8, max_size=8),
    st.lists(st.integers(0, 1_000_000), min_size=2, max_size=26),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_an_answer_comes_back_as_it_was(payer: bytes, millionths: list[int], tokens: int, more: int) -> None:
    shares = tuple(round(share / 1e6, 6) for share in millionths)
    stored = Stored(payer, Answer(shares, tokens, more))
    assert unpack(pack(stored)) == stored


def test_rows_are_small() -> None:
    assert len(pack(Stored(b"12345678", Answer((0.25, 0.75), 100, 1)))) == 24
