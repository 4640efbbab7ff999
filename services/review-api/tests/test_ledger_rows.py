"""From events to the ledger's rows and counts."""

import msgspec
import pytest
from labelmill.errors import InvalidRecord
from labelmill.events import ItemIngested, LabelAccepted, LabelScored, ReviewRequested, Vote, encode
from labelmill.projects import load_project
from review_api.ledger import records, rows
from review_api.ledger.checking import RouteCheck
from review_api.ledger.counting import Counts
from review_api.tasks.ordering import Place

SPEC = load_project(
    """
project: p
title: P
labels: [{name: positive}, {name: negative}]
guideline: Say which.
voters:
  - {name: llm, type: llm, model: m, permutations: 2}
  - {name: other, type: llm, model: m}
  - {name: student, type: student}
"""
)

PLACE = Place("", 0.5)


def vote(voter: str = "llm", source: str = "logprobs", **fields: object) -> Vote:
    known: dict[str, object] = {"voter": voter, "version": "1", "source": source, "label": "positive"}
    return Vote(**{**known, "confidence": 0.9, **fields})  # type: ignore[arg-type]


def score(**fields: object) -> LabelScored:
    known: dict[str, object] = {
        "project": "p",
        "event_id": "s",
        "item_id": "i",
        "content_hash": "h",
        "kind": "choice",
        "label": "positive",
        "confidence": 0.75,
        "probabilities": {"positive": 0.75, "negative": 0.25},
        "votes": [vote()],
        "guideline_version": 3,
        "release": 2,
    }
    return LabelScored(**{**known, **fields})  # type: ignore[arg-type]


def route(cls: type, scored: LabelScored | None = None, **fields: object) -> bytes:
    known = {"project": "p", "event_id": "r", "item_id": "i", "reasons": ["audit"], "propensity": 0.5}
    return encode(cls(**{**known, "project_version": 4, "score": scored or score(), **fields}))


def requested(scored: LabelScored | None = None, **fields: object) -> records.Requested:
    return records.REQUESTED.decode(route(ReviewRequested, scored, **fields))


def test_a_route_keeps_its_json_as_it_came() -> None:
    event = records.ACCEPTED.decode(route(LabelAccepted))
    row = dict(zip(rows.ROUTE_COLUMNS, rows.route_row(event, 0.5), strict=True))
    assert row["outcome"] == "accepted"
    assert row["label"] == '"positive"'
    assert msgspec.json.decode(row["votes"], type=list[Vote]) == [vote()]
    assert msgspec.json.decode(row["probabilities"]) == {"positive": 0.75, "negative": 0.25}
    assert (row["guideline_version"], row["release"], row["project_version"], row["cost_usd"]) == (
        3,
        2,
        4,
        0.5,
    )
    final = dict(zip(rows.FINAL_COLUMNS, rows.final_row(event, 9), strict=True))
    assert (final["label"], final["source"], final["decided_at"]) == ('"positive"', "machine", 9)
    assert (final["guideline_version"], final["routed_under"]) == (3, 3)


def test_an_item_row_has_the_hash_of_its_content() -> None:
    item = ItemIngested(project="p", item_id="i", content="text", metadata={"k": "v"}, ingested_at=5)
    row = dict(zip(rows.ITEM_COLUMNS, rows.item_row(item), strict=True))
    assert row["content_hash"] == item.content_hash
    assert row["metadata"] == '{"k":"v"}'


def test_a_task_has_as_many_assignments_as_it_needs_decisions() -> None:
    event = requested(decisions_needed=3)
    here = rows.assignment_rows(event, 7, PLACE, item_is_here=True)
    assert [(row[:2], row[5]) for row in here] == [((7, 0), "open"), ((7, 1), "waiting"), ((7, 2), "waiting")]
    assert {row[5] for row in rows.assignment_rows(event, 7, PLACE, item_is_here=False)} == {"waiting"}
    assert len(here[0]) == len(rows.ASSIGNMENT_COLUMNS)
    assert len(rows.task_row(event, 7, 2, 9)) == len(rows.TASK_COLUMNS)


@pytest.mark.parametrize("needed", [0, -1, 10])
def test_a_task_needs_one_to_nine_decisions(needed: int) -> None:
    with pytest.raises(InvalidRecord, match="decisions_needed"):
        records.check_requested(requested(decisions_needed=needed))


def test_only_what_was_paid_is_counted() -> None:
    counts = Counts()
    votes = [
        vote(calls=1, cost_usd=0.1, input_tokens=10, output_tokens=1),
        vote("other", calls=2, cost_usd=0.2, input_tokens=20, output_tokens=2),
        vote("other", calls=5, cost_usd=9.0, input_tokens=99, cached=True),
        vote("student", "student"),
        vote("words", "function"),
    ]
    event = requested(score(votes=votes))
    cost = counts.add_votes(records.vote_costs(event))
    assert cost == pytest.approx(0.3)
    assert (counts.llm_calls, counts.input_tokens, counts.output_tokens) == (3, 30, 3)
    assert counts.student_only == 0
    for votes in ([vote("words", "function"), vote("student", "student")], [vote("words", "function")]):
        counts.add_votes(records.vote_costs(requested(score(votes=votes))))
    assert counts.student_only == 1, "where nothing but functions voted there is no student"


def test_votes_that_are_none_are_refused() -> None:
    document = msgspec.json.decode(route(LabelAccepted))
    document["score"]["votes"] = "none"
    with pytest.raises(InvalidRecord, match="votes"):
        records.vote_costs(records.ACCEPTED.decode(msgspec.json.encode(document)))


def test_a_label_must_be_in_the_set_and_of_the_kind() -> None:
    check = RouteCheck(SPEC)
    for _ in range(2):
        check.check(requested())
    with pytest.raises(InvalidRecord, match="unknown_label"):
        check.check(requested(score(label="sideways")))
    with pytest.raises(InvalidRecord, match="unknown_label"):
        check.check(requested(score(label=["positive"])))
    with pytest.raises(InvalidRecord, match="kind"):
        check.check(requested(score(kind="spans")))
