"""Where tasks stand in the queue: strategies, ageing, pools."""

import math
from typing import Any

import msgspec
import pytest
from labelmill.projects import ProjectSpec, project_from
from review_api.tasks.ordering import Facts, Places, vote_entropy
from review_api.tasks.pools import Pools, for_experts, is_sensitive, of_person, out_of_reach

HOUR = 3_600_000
DAY = 24 * HOUR


def spec(**review: Any) -> ProjectSpec:
    return project_from(
        {
            "project": "p",
            "title": "P",
            "labels": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
            "guideline": "G",
            "voters": [{"name": "s", "type": "student"}],
            "review": review,
        }
    )


def facts(
    item_id: str = "i",
    *,
    confidence: float = 0.6,
    shares: tuple[float, ...] = (0.6, 0.3, 0.1),
    votes: str = "a",
    **fields: Any,
) -> Facts:
    known = {
        "blind": False,
        "created_at": 0,
        "label": b'"a"',
        "probabilities": msgspec.json.encode(dict(zip("abc", shares, strict=True))),
        "votes": msgspec.json.encode([{"label": label} for label in votes]),
        "metadata": b"{}",
    }
    return Facts(item_id=item_id, confidence=confidence, **{**known, **fields})


def order(review: dict[str, Any], tasks: list[Facts]) -> list[str]:
    places = Places(spec(**review))
    return [one.item_id for one in sorted(tasks, key=lambda one: places.place(one).priority)]


def test_uncertainty_takes_the_least_sure_first() -> None:
    tasks = [facts("sure", confidence=0.9), facts("unsure", confidence=0.4), facts("so", confidence=0.6)]
    assert order({}, tasks) == ["unsure", "so", "sure"]


def test_margin_takes_the_two_closest_labels_first_however_sure() -> None:
    tasks = [facts("far", confidence=0.5, shares=(0.5, 0.25, 0.25)), facts("near", shares=(0.5, 0.49, 0.01))]
    assert order({"order": "margin"}, tasks) == ["near", "far"]


def test_disagreement_takes_those_first_on_which_most_voters_differ() -> None:
    tasks = [facts("all agree", votes="aaa"), facts("all differ", votes="abc"), facts("one", votes="aab")]
    assert order({"order": "disagreement"}, tasks) == ["all differ", "one", "all agree"]


def test_no_strategy_puts_a_task_where_only_managers_do() -> None:
    dropped = facts(votes="abcde")
    assert Places(spec(order="disagreement")).place(dropped).priority == 0.0


def test_vote_entropy_is_dagan_and_engelsons() -> None:
    assert vote_entropy({"a": 3}, 3) == 0.0
    assert vote_entropy({"a": 1, "b": 1, "c": 1}, 3) == pytest.approx(1.0)
    assert vote_entropy({"a": 2, "b": 1}, 2) == pytest.approx(
        -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    )
    assert vote_entropy({}, 2) == 0.0


def test_oldest_goes_by_age_alone() -> None:
    tasks = [facts("new", created_at=2 * DAY, confidence=0.1), facts("old", created_at=DAY, blind=True)]
    assert order({"order": "oldest"}, tasks) == ["old", "new"]


@pytest.mark.parametrize("strategy", ["random", "diversity"])
def test_chance_is_the_same_whenever_it_is_drawn_and_even(strategy: str) -> None:
    places = Places(spec(order=strategy))
    drawn = [places.place(facts(f"i{n}")).priority for n in range(400)]
    assert drawn == [places.place(facts(f"i{n}")).priority for n in range(400)]
    assert abs(sum(drawn) / 400 - 0.5) < 0.05
    assert min(drawn) < 0.02 < 0.98 < max(drawn)


@pytest.mark.parametrize("strategy", ["uncertainty", "margin", "disagreement"])
def test_audits_are_spread_whatever_the_machine_thinks(strategy: str) -> None:
    places = Places(spec(order=strategy))
    drawn = [places.place(facts(f"i{n}", confidence=0.99, blind=True)).priority for n in range(400)]
    assert 0.4 < sum(drawn) / 400 < 0.6


def test_waiting_lifts_a_task_and_after_the_sla_it_comes_before_anything_new() -> None:
    review = {"sla_hours": 2}
    worst, best = facts("worst", confidence=1.0), {"confidence": 0.0}
    early = facts("best, while the worst is young", created_at=int(1.9 * HOUR), **best)
    late = facts("best, once the worst is due", created_at=int(2.1 * HOUR), **best)
    assert order(review, [worst, late, early]) == [early.item_id, "worst", late.item_id]
    unsure = facts("an hour younger", created_at=HOUR, confidence=0.3)
    assert order(review, [facts("surer by 0.4", confidence=0.7), unsure]) == [
        "surer by 0.4",
        "an hour younger",
    ]
    assert order(review, [facts("surer by 0.6", confidence=0.9), unsure]) == [
        "an hour younger",
        "surer by 0.6",
    ]


def test_pools_follow_labels_and_metadata_and_the_first_skill_counts() -> None:
    review = spec(
        skills=[{"name": "law", "labels": ["b"]}, {"name": "spanish", "metadata": {"lang": ["es"]}}],
        care={"sensitive": {"nsfw": ["1"]}},
    ).review
    pools = Pools.of(review, expert_labels=["c"])
    assert pools.pool("a", {}) == ""
    assert pools.pool("a", {"lang": "es"}) == "spanish"
    assert pools.pool("b", {"lang": "es"}) == "law"
    assert pools.pool("b", {"nsfw": "1"}) == "law!"
    assert pools.pool("c", {"nsfw": "1"}) == "expert!"
    assert pools.pool("a", {"nsfw": "0"}) == ""
    assert Pools.of(spec().review).trivial
    assert not pools.trivial


def test_people_search_the_rarest_work_first() -> None:
    known = ["law", "spanish"]
    assert of_person([], known, sensitive=False) == [""]
    assert of_person(["spanish", "gone"], known, sensitive=False) == ["spanish", ""]
    assert of_person(["expert", "law"], known, sensitive=True) == [
        "expert",
        "expert!",
        "law",
        "law!",
        "",
        "!",
    ]


def test_what_takes_a_skill_that_a_person_lacks_is_out_of_their_reach() -> None:
    known = ["law", "spanish"]
    assert out_of_reach([], known, sensitive=False) == ["expert", "law", "spanish"]
    assert out_of_reach(["law", "gone"], known, sensitive=True) == [
        "expert",
        "expert!",
        "spanish",
        "spanish!",
    ]
    assert out_of_reach(["expert", *known], known, sensitive=True) == []


def test_what_goes_to_experts_still_distresses() -> None:
    assert for_experts("law!") == "expert!"
    assert for_experts("") == "expert"
    assert is_sensitive("law!")
    assert not is_sensitive("law")


def test_a_task_lies_in_the_pool_that_its_item_needs() -> None:
    places = Places(spec(skills=[{"name": "spanish", "metadata": {"lang": ["es"]}}]))
    assert places.place(facts(metadata=b'{"lang":"es"}')).pool == "spanish"
    assert places.place(facts()).pool == ""
