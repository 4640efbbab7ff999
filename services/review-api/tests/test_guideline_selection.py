"""Which items a campaign affects, in which order, what they are likely to cost, and what is published."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from labelmill import ids
from labelmill.projects import LabelSpec, PolicySpec, ProjectSpec
from review_api.errors import ApiError
from review_api.guidelines import sending
from review_api.guidelines.campaign_work import MOST_TRIES, Sent, ToSend
from review_api.guidelines.editing import edited
from review_api.guidelines.estimating import SoFar, estimated
from review_api.guidelines.selection import (
    Candidate,
    Labelled,
    Nearest,
    Selection,
    likeness,
    margin,
    near,
    problem_of,
    simply_affected,
    standing_label,
)
from review_api.projects.versions import Version

SPEC = ProjectSpec(
    project="p",
    title="P",
    labels=[LabelSpec(name="positive"), LabelSpec(name="negative")],
    guideline="Say which.",
    voters=[],
    usd_per_hour=12.0,
)


def labelled(number: int, label: str, confidence: float, *, by_people: bool = False) -> Labelled:
    return Labelled(
        f"i{number}", label, by_people, {"positive": confidence, "negative": 1 - confidence, "other": 0.0}
    )


def test_the_margin_is_between_the_two_best_labels() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert margin(shares) == pytest.approx(0.2)
    assert margin(shares, ("b", "a")) == pytest.approx(0.2)
    assert margin(shares, ("a", "c")) == 1.0, "the two best are others"
    assert margin({"a": 1.0}) == 1.0
    assert margin({}) == 1.0


def test_a_selection_by_labels_takes_these_and_orders_by_doubt() -> None:
    items = [labelled(0, "positive", 0.95), labelled(1, "negative", 0.4), labelled(2, "positive", 0.55)]
    found = simply_affected(Selection(by="labels", labels=["positive"]), items, all_people=False)
    assert [each.item_id for each in sorted(found, key=lambda each: each.place)] == ["i2", "i0"]
    assert len(simply_affected(Selection(by="all", labels=["positive"]), items, all_people=False)) == 3


def test_people_decide_again_what_people_had_decided() -> None:
    items = [labelled(0, "positive", 0.9), labelled(1, "positive", 0.9, by_people=True)]
    everything = Selection(by="all")
    assert [each.people for each in simply_affected(everything, items, all_people=False)] == [False, True]
    assert [each.people for each in simply_affected(everything, items, all_people=True)] == [True, True]


def test_only_the_nearest_candidates_are_kept_whatever_the_order_they_come_in() -> None:
    items = [labelled(n, "positive", 0.5 + n / 100) for n in range(50)]
    for order in (items, items[::-1]):
        nearest = Nearest(Selection(by="boundary"), 5, all_people=False)
        for item in order:
            nearest.add([item])
        assert [each.item_id for each in nearest.kept()] == ["i0", "i1", "i2", "i3", "i4"]
        assert nearest.passed == 50


def test_near_is_what_a_margin_or_a_text_says_and_the_nearest_comes_first() -> None:
    selection = Selection(by="boundary", margin=0.2, similarity=0.6)
    candidates = [Candidate(away, name, False) for away, name in ((0.1, "a"), (0.5, "b"), (0.9, "c"))]
    found = near(selection, candidates, [0.0, 0.9, 0.5])
    assert [(each.item_id, each.place) for each in found] == [
        ("a", pytest.approx(0.5)),
        ("b", pytest.approx(0.25)),
    ]
    assert near(Selection(by="boundary", margin=0.0, similarity=1.0), candidates, [0.0, 1.0, 0.0])[0] == (
        "b",
        0.0,
        False,
    )


def test_likeness_is_the_cosine_to_the_nearest_text() -> None:
    texts = np.array([[1, 0], [0, 1]], np.float32)
    vectors = np.array([[0.6, 0.8], [-1, 0]], np.float32)
    assert likeness(vectors, texts) == [pytest.approx(0.8), 0.0]


@pytest.mark.parametrize(
    ("selection", "problem"),
    [
        (Selection(by="labels"), "name the labels"),
        (Selection(by="labels", labels=["gone"]), "label 'gone'"),
        (Selection(by="boundary", texts=[" "]), "is empty"),
        (Selection(by="boundary", texts=["x"] * 51), "at most 50"),
        (Selection(by="boundary", margin=1.5), "between 0 and 1"),
    ],
)
def test_selections_that_cannot_be_meant_are_refused(selection: Selection, problem: str) -> None:
    assert problem in str(problem_of(selection, ["positive"]))
    assert problem_of(Selection(by="labels", labels=["positive"]), ["positive"]) is None


def test_the_estimate_follows_what_the_project_cost_so_far() -> None:
    so_far = SoFar(accepted=800, requested=240, withdrawn=40, decided=100, cost_usd=2.08, human_seconds=600)
    found = estimated(SPEC, so_far, items=500, for_people=100)
    share = 200 / 1040
    assert found.tasks == round(100 + 400 * share)
    assert found.cost_usd == pytest.approx(400 * 0.002)
    assert found.human_minutes == pytest.approx(found.tasks * 0.1)
    assert found.human_usd == pytest.approx(found.human_minutes / 60 * 12)
    assert found.measured
    nothing = SoFar(accepted=0, requested=0, withdrawn=0, decided=0, cost_usd=0.0, human_seconds=0.0)
    assumed = estimated(SPEC, nothing, items=100, for_people=0)
    assert (assumed.tasks, assumed.cost_usd, assumed.measured) == (25, 0.0, False)
    assert assumed.human_minutes == pytest.approx(25 * 0.25)


def test_a_promise_gathers_its_evidence_anew_so_people_decide_first() -> None:
    so_far = SoFar(accepted=900, requested=100, withdrawn=0, decided=0, cost_usd=0.0, human_seconds=0.0)
    policy = PolicySpec(target_error=0.02, confidence=0.95)
    promised = msgspec.structs.replace(SPEC, policy=policy)
    assert estimated(promised, so_far, items=1149, for_people=0).tasks == 149 + 100, "0.98 ** 149 < 0.05"
    assert estimated(promised, so_far, items=50, for_people=10).tasks == 50


def to_send(**fields: object) -> ToSend:
    known = {
        "item_id": "i1",
        "content": "thanks, I guess",
        "metadata": {"source": "mail"},
        "content_hash": ids.content_hash("thanks, I guess", {"source": "mail"}),
        "label": "positive",
        "confidence": 0.8,
        "probabilities": {"positive": 0.8, "negative": 0.2},
        "release": 3,
        "settled": False,
    }
    return ToSend(**{**known, **fields})  # type: ignore[arg-type]


def test_a_review_is_asked_for_blind_once_a_guideline_and_without_old_votes() -> None:
    version = Version(7, 2, msgspec.structs.replace(SPEC))
    event = sending.asked_again(version, to_send(), 1)
    assert event == sending.asked_again(version, to_send(), 1)
    assert (event.reasons, event.blind, event.audit_rate) == (["guideline_change"], True, 0.0)
    assert (event.score.guideline_version, event.project_version, event.score.votes) == (2, 7, [])
    later = sending.asked_again(Version(8, 3, SPEC), to_send(), 1)
    assert later.event_id != event.event_id, "under another guideline it is another question"


def test_the_machine_gets_the_item_as_it_came() -> None:
    event = sending.item_again("p", 2, to_send(), 5)
    assert event.content_hash == to_send().content_hash
    assert (event.ingested_at, event.guideline_version) == (5, 2)


def test_a_label_that_the_guideline_no_longer_has_gives_way_to_the_likeliest_that_is_left() -> None:
    assert standing_label("positive", {"positive": 0.6}, ["positive"]) == ("positive", None)
    shares = {"gone": 0.6, "a": 0.1, "b": 0.3}
    assert standing_label("gone", shares, ["a", "b"]) == ("b", 0.3)
    assert standing_label("gone", {}, ["a", "b"]) == ("a", 0.0)


def test_what_was_erased_or_is_labelled_already_is_not_sent() -> None:
    items = [
        to_send(item_id="erased", content=None),
        to_send(item_id="done", settled=True),
        to_send(item_id="sent"),
    ]
    assert sending.without_sending(items) == {"erased": "given_up", "done": "labelled"}


def sent(item_id: str, **fields: object) -> Sent:
    known = {"outcome": None, "settled": False, "overdue": False, "tries": 1}
    return Sent(item_id, (False, 0.0, item_id), **{**known, **fields})  # type: ignore[arg-type]


def test_what_became_of_an_item_that_was_sent() -> None:
    items = [
        sent("on the way"),
        sent("accepted", outcome="accepted"),
        sent("to people", outcome="requested"),
        sent("decided", outcome="requested", settled=True),
        sent("lost", overdue=True),
        sent("hopeless", overdue=True, tries=MOST_TRIES),
    ]
    assert sending.arrived(items) == {
        "accepted": "labelled",
        "to people": "asked",
        "decided": "labelled",
        "lost": "waiting",
        "hopeless": "given_up",
    }
    assert sending.decided(items) == {"decided": "labelled"}


def test_there_is_room_for_so_many_and_no_more() -> None:
    assert sending.room(0, 0, people=False) == sending.MOST_ON_THE_WAY
    assert sending.room(sending.MOST_ON_THE_WAY, 0, people=False) == 0
    assert sending.room(0, sending.MOST_ASKED, people=True) == 0
    assert sending.room(0, sending.MOST_ASKED, people=False) > 0, "people do not hold up the machine"
    rooms = [sending.room(n, 0, people=True) for n in range(0, 600, 100)]
    assert all(one >= other for one, other in pairwise(rooms))


def test_an_edit_of_a_guideline_that_is_no_longer_in_force_is_refused() -> None:
    present = Version(4, 3, SPEC)
    with pytest.raises(ApiError, match="version 3 is") as refused:
        edited(present, 2, "New.", None)
    assert (refused.value.status, refused.value.error) == (409, "stale_edit")


def test_an_edit_changes_the_guideline_and_nothing_else() -> None:
    spec = msgspec.json.decode(
        b'{"project":"p","title":"P","guideline":"Old.","labels":[{"name":"a"},{"name":"b"}],'
        b'"voters":[{"name":"llm","type":"llm","model":"m","input_usd_per_mtok":0.5}]}',
        type=ProjectSpec,
    )
    present = Version(4, 3, spec)
    made = edited(present, 3, "# New\n\n- and: better", None)
    assert made == msgspec.structs.replace(spec, guideline="# New\n\n- and: better")
    relabelled = edited(present, 3, "Old.", [LabelSpec(name="a", description="x"), LabelSpec(name="b")])
    assert relabelled.labels[0].description == "x"
    with pytest.raises(ApiError) as refused:
        edited(present, 3, "New.", [LabelSpec(name="a"), LabelSpec(name="a")])
    assert (refused.value.status, refused.value.error) == (422, "invalid_project")
