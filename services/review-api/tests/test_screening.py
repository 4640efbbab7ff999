"""Lines to items, and which of them are new."""

import json

from review_api.items.lines import Line
from review_api.items.recent import Recent
from review_api.items.screening import MOST_SHOWN, Outcome, read_items, screen


def line(number: int, item_id: str, content: str = "text", **more: object) -> Line:
    return Line(number, json.dumps({"item_id": item_id, "content": content, **more}).encode())


def test_reads_items_and_names_what_is_wrong() -> None:
    outcome = Outcome()
    lines = [
        line(1, "a", metadata={"source": "app"}),
        Line(2, b"{"),
        Line(3, b'{"item_id":"b","content":"\xff"}'),
        Line(4, None),
        line(5, "c", ""),
        line(6, "d", gold="positive"),
        Line(7, b'{"item_id":"\\ud800","content":"x"}'),
    ]
    (item,) = read_items("p", lines, 17, outcome)
    assert (item.line, item.item.project, item.item.item_id, item.item.ingested_at) == (1, "p", "a", 17)
    assert item.key == b"p/a"
    assert item.content_hash == item.item.content_hash
    assert [(each.line, each.item_id, each.reason) for each in outcome.rejected] == [
        (2, None, "malformed_json"),
        (3, None, "invalid_utf8"),
        (4, None, "line_too_long"),
        (5, "c", "content_empty"),
        (6, None, "invalid_item"),
        (7, None, "malformed_json"),
    ]
    assert "gold" in outcome.rejected[4].detail


def test_what_is_known_is_a_duplicate_or_a_conflict() -> None:
    outcome = Outcome()
    lines = [line(1, "a"), line(2, "b"), line(3, "a"), line(4, "a", "other"), line(5, "c"), line(6, "d")]
    incoming = read_items("p", lines, 0, outcome)
    known = {"c": incoming[4].content_hash, "d": "0" * 32}
    new = screen(incoming, known, outcome)
    assert [each.item.item_id for each in new] == ["a", "b"]
    assert outcome.duplicates == 2
    assert [(each.line, each.reason) for each in outcome.rejected] == [
        (4, "conflicting_duplicate"),
        (6, "conflicting_duplicate"),
    ]


def test_metadata_belongs_to_the_content() -> None:
    outcome = Outcome()
    incoming = read_items(
        "p", [line(1, "a", metadata={"k": "1"}), line(2, "a", metadata={"k": "2"})], 0, outcome
    )
    assert len(screen(incoming, {}, outcome)) == 1
    assert outcome.rejected_count == 1


def test_all_rejected_are_counted_and_some_are_shown() -> None:
    outcome = Outcome()
    assert read_items("p", [Line(number, b"{") for number in range(1, 251)], 0, outcome) == []
    assert (outcome.rejected_count, len(outcome.rejected)) == (250, MOST_SHOWN)
    assert outcome.reasons == {"malformed_json": 250}


def test_the_recent_are_remembered_and_the_rest_forgotten() -> None:
    recent = Recent(most=100)
    for number in range(1000):
        recent.add({b"%d" % number: str(number)})
        assert all(recent.get(b"%d" % n) == str(n) for n in range(max(0, number - 49), number + 1))
    assert recent.get(b"1") is None
    assert len(recent._young) + len(recent._old) <= 100


def test_provenance_travels_under_reserved_names_of_the_metadata() -> None:
    outcome = Outcome()
    lines = [
        line(1, "a", owner="ann", licence="CC0-1.0", source="app", consent="terms-3", metadata={"k": "1"}),
        line(2, "b", metadata={"@owner": "ann"}),
        line(3, "c", consent="Withdrawn"),
        line(4, "d", owner="x" * 201),
    ]
    first, second = read_items("p", lines, 0, outcome)
    assert first.item.metadata == {
        "k": "1",
        "@owner": "ann",
        "@licence": "CC0-1.0",
        "@source": "app",
        "@consent": "terms-3",
    }
    assert second.item.metadata == {"@owner": "ann"}
    reasons = [(each.line, each.reason) for each in outcome.rejected]
    assert reasons == [(3, "no_consent"), (4, "invalid_provenance")]
