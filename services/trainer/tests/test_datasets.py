from hypothesis import given
from hypothesis import strategies as st
from trainer.datasets import Member, Membership, dataset_of, sides
from trainer.splitting import Side

MEMBERS = st.lists(
    st.builds(
        Membership,
        seq=st.integers(1, 10**9),
        event_id=st.text("0123456789abcdef", min_size=4, max_size=8),
        label=st.sampled_from(["a", "b"]),
        side=st.sampled_from([Side.TRAIN, Side.HOLDOUT]),
    ),
    unique_by=lambda member: member.event_id,
    max_size=20,
)


@given(MEMBERS, st.randoms())
def test_the_version_names_the_membership_and_not_its_order(members: list[Membership], rng: object) -> None:
    shuffled = list(members)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = dataset_of("p", 7, members), dataset_of("p", 9, shuffled)
    assert (one.version, one.digest, one.members) == (other.version, other.digest, other.members)
    assert one.train + one.holdout == one.decisions == len(members)


@given(MEMBERS.filter(bool))
def test_another_label_side_or_member_is_another_version(members: list[Membership]) -> None:
    first, *rest = members
    relabelled = first._replace(label="b" if first.label == "a" else "a")
    moved = first._replace(side=Side.TRAIN if first.side is Side.HOLDOUT else Side.HOLDOUT)
    versions = {
        dataset_of("p", 1, each).version for each in (members, rest, [relabelled, *rest], [moved, *rest])
    }
    assert len(versions) == 4


def test_sides_are_row_numbers() -> None:
    def member(side: Side) -> Member:
        return Member(1, "h", "g", side, "a", "a", 0.5, 1.0)

    assert sides([member(Side.TRAIN), member(Side.HOLDOUT), member(Side.TRAIN)]) == ([0, 2], [1])
