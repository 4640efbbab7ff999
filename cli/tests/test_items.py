"""`ingest` and `export` against a server that answers as review-api does."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Labelmill = Callable[..., Any]
INGEST = "POST /v1/projects/tweets/items"
OK = {"accepted": 2, "duplicates": 0, "rejected_count": 0, "rejected": []}


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.jsonl"
    file.write_bytes(b'{"item_id":"1","content":"a"}\n\n{"item_id":"2","content":"b"}\n')
    return file


def test_lines_go_out_as_they_are(labelmill: Labelmill, api: Any, items: Path) -> None:
    api.on(INGEST, OK)
    done = labelmill("ingest", str(items), "-p", "tweets")
    assert (done.status, done.err) == (0, "2 accepted, 0 duplicates, 0 rejected\n")
    assert api.bodies(INGEST) == [b'{"item_id":"1","content":"a"}\n{"item_id":"2","content":"b"}\n']
    assert api.requests[0][2]["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        ('{"id":1,"text":"a"}\n{"id":"2","text":"b"}', [("1", "a"), ("2", "b")]),
        ('{"item_id":"1","text":"a"}', [("1", "a")]),
    ],
)
def test_fields_with_the_other_usual_names_are_found(
    labelmill: Labelmill, api: Any, tmp_path: Path, lines: str, sent: list[tuple[str, str]]
) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(lines)
    api.on(INGEST, OK)
    assert labelmill("ingest", str(file), "-p", "tweets").status == 0
    (body,) = api.bodies(INGEST)
    assert [json.loads(line) for line in body.splitlines()] == [
        {"item_id": item_id, "content": content} for item_id, content in sent
    ]


def test_the_help_says_what_holds_without_an_option(labelmill: Labelmill) -> None:
    assert "otherwise item_id or id" in " ".join(labelmill("ingest", "--help").out.replace("│", " ").split())


def test_rejected_lines_are_shown_with_their_place_in_the_file(
    labelmill: Labelmill, api: Any, items: Path
) -> None:
    bad = {"line": 2, "item_id": "2", "reason": "content_empty", "detail": "there is nothing to label"}
    api.on(INGEST, {"accepted": 1, "duplicates": 0, "rejected_count": 40, "rejected": [bad]})
    done = labelmill("ingest", str(items), "-p", "tweets")
    assert done.status == 1
    assert "3     2     content_empty  there is nothing to label" in done.err
    assert "and 39 more" in done.err


def test_it_waits_while_the_server_is_busy(labelmill: Labelmill, api: Any, items: Path) -> None:
    api.on(INGEST, {"error": "busy", "detail": "later"}, 429, Retry_After="0.1")
    api.on(INGEST, {"error": "busy", "detail": "later"}, 503, Retry_After="soon")
    api.on(INGEST, OK)
    assert labelmill("ingest", str(items), "-p", "tweets").status == 0
    assert len(set(api.bodies(INGEST))) == 1
    assert len(api.bodies(INGEST)) == 3


def test_large_files_go_out_in_pieces(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    file.write_text(
        "".join(json.dumps({"item_id": str(n), "content": "x" * 500}) + "\n" for n in range(12_000))
    )
    api.on(INGEST, {"accepted": 1, "duplicates": 2, "rejected_count": 0})
    done = labelmill("ingest", str(file), "-p", "tweets")
    bodies = api.bodies(INGEST)
    assert len(bodies) == 3
    assert sum(body.count(b"\n") for body in bodies) == 12_000
    assert b"".join(bodies) == file.read_bytes()
    assert done.err == "3 accepted, 6 duplicates, 0 rejected\n"


def test_csv_columns_become_items_and_metadata(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text('\ufeffid,tweet,lang,empty\n7,"two\nlines, é",en,\n8,b,de,\n', encoding="utf-8")
    api.on(
        INGEST,
        {"accepted": 1, "duplicates": 0, "rejected_count": 1, "rejected": [{"line": 2, "reason": "r"}]},
    )
    done = labelmill("ingest", str(file), "-p", "tweets", "--text", "tweet")
    assert [json.loads(line) for line in api.bodies(INGEST)[0].splitlines()] == [
        {"item_id": "7", "content": "two\nlines, é", "metadata": {"lang": "en"}},
        {"item_id": "8", "content": "b", "metadata": {"lang": "de"}},
    ]
    assert "4           r" in done.err


def test_csv_columns_tell_where_items_come_from(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("id,text,owner,licence,source,consent,lang\n1,a,ada,CC0,form,given,en\n2,b,,,,,\n")
    api.on(INGEST, OK)
    labelmill("ingest", str(file), "-p", "tweets")
    told = {"owner": "ada", "licence": "CC0", "source": "form", "consent": "given"}
    assert [json.loads(line) for line in api.bodies(INGEST)[0].splitlines()] == [
        {"item_id": "1", "content": "a", **told, "metadata": {"lang": "en"}},
        {"item_id": "2", "content": "b"},
    ]


def test_fields_with_other_names_are_renamed(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_bytes(b'{"nr":7,"tweet":"a"}\n{broken\n[1]\n')
    api.on(INGEST, OK)
    labelmill("ingest", str(file), "-p", "tweets", "--id", "nr", "--text", "tweet")
    assert api.bodies(INGEST) == [b'{"item_id":"7","content":"a"}\n{broken\n[1]\n']


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2\n", "the CSV has no column item_id or id (it has a, b): name one with --id"),
        (b"id,b\n1,2\n", "the CSV has no column content or text (it has id, b): name one with --text"),
        (b"", "the CSV has no column item_id or id (it has ): name one with --id"),
        (b"id,text\n1,\xff\n", "the CSV is not UTF-8"),
    ],
)
def test_csv_files_that_cannot_be_read(
    labelmill: Labelmill, api: Any, tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "items.csv"
    file.write_bytes(content)
    done = labelmill("ingest", str(file), "-p", "tweets")
    assert done.status == 1
    assert says in done.err
    assert not api.requests


LABELS = (
    b'{"item_id":"1","label":"a","source":"machine","confidence":0.9,"reasons":[],"release":1}\n'
    b'{"item_id":"2","label":["x"],"source":"people","confidence":null,"reasons":["audit","x"],'
    b'"content":"hm, \\"\xc3\xa9\\""}\n'
)


def test_export_as_json_lines(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    api.on("GET /v1/projects/tweets/labels?manifest=1", LABELS + manifest_line())
    assert labelmill("export", "-p", "tweets").out.encode() == LABELS
    target = tmp_path / "labels.jsonl"
    done = labelmill("export", "-p", "tweets", "-o", str(target))
    assert target.read_bytes() == LABELS
    assert done.err == f"2 labels written to {target}\n"
    assert done.out == ""
    told = json.loads((tmp_path / "labels.jsonl.manifest.json").read_text())
    assert told["sha256"] == hashlib.sha256(LABELS).hexdigest()
    assert (told["rows"], told["file"], told["bytes"]) == (2, "labels.jsonl", len(LABELS))


@pytest.mark.parametrize("to_file", [True, False])
def test_an_export_says_how_many_labels_are_held_back(
    labelmill: Labelmill, api: Any, tmp_path: Path, to_file: bool
) -> None:
    api.on("GET /v1/projects/tweets/labels?manifest=1", LABELS + manifest_line(by_decider={"withheld": 2}))
    done = labelmill("export", "-p", "tweets", *(["-o", str(tmp_path / "labels.jsonl")] if to_file else []))
    assert "2 of the labels are held back: you may be asked about their items in a blind check" in done.err


def manifest_line(rows: int = 2, **fields: Any) -> bytes:
    manifest = fields | {"project": "tweets", "rows": rows, "sha256": hashlib.sha256(LABELS).hexdigest()}
    return json.dumps({"manifest": manifest}, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("last", [b"", manifest_line(3)])
def test_an_export_that_is_not_what_its_manifest_says_leaves_no_file(
    labelmill: Labelmill, api: Any, tmp_path: Path, last: bytes
) -> None:
    api.on("GET /v1/projects/tweets/labels?manifest=1", LABELS + last)
    done = labelmill("export", "-p", "tweets", "-o", str(tmp_path / "labels.jsonl"))
    assert done.status == 1
    assert "the export is not complete" in done.err
    assert not (tmp_path / "labels.jsonl").exists()


def test_the_manifest_of_a_csv_names_the_hash_of_the_csv(
    labelmill: Labelmill, api: Any, tmp_path: Path
) -> None:
    target = tmp_path / "labels.csv"
    labels = LABELS.replace(b'"release":1', b'"release":1,"provenance":{"owner":"ann","source":"app"}')
    digest = hashlib.sha256(labels).hexdigest()
    manifest = json.dumps({"manifest": {"rows": 2, "sha256": digest}}, separators=(",", ":"))
    api.on("GET /v1/projects/tweets/labels?owners=1&manifest=1", labels + manifest.encode())
    labelmill("export", "-p", "tweets", "--format", "csv", "--owners", "-o", str(target))
    told = json.loads((tmp_path / "labels.csv.manifest.json").read_text())
    assert told["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    with target.open() as file:
        first, second = csv.DictReader(file)
    assert (first["owner"], first["item_source"], first["source"]) == ("ann", "app", "machine")
    assert (second["owner"], second["item_source"], second["source"]) == ("", "", "people")


def test_export_as_csv(labelmill: Labelmill, api: Any) -> None:
    api.on("GET /v1/projects/tweets/labels?content=1&manifest=1", LABELS + manifest_line())
    done = labelmill("export", "-p", "tweets", "--format", "csv", "--content")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["label"] for row in rows] == ["a", "x"]
    assert [row["reasons"] for row in rows] == ["", "audit x"]
    assert [row["confidence"] for row in rows] == ["0.9", ""]
    assert [row["withheld"] for row in rows] == ["", ""]
    assert rows[1]["content"] == 'hm, "é"'
    assert "2 labels written" in done.err


def test_csv_says_which_labels_are_held_back(labelmill: Labelmill, api: Any) -> None:
    held = b'{"item_id":"2","label":null,"source":null,"reasons":[],"withheld":true}\n'
    lines = LABELS.splitlines(keepends=True)[0] + held
    manifest = {
        "rows": 2,
        "sha256": hashlib.sha256(lines).hexdigest(),
        "by_decider": {"machine": 1, "withheld": 1},
    }
    end = json.dumps({"manifest": manifest}, separators=(",", ":")).encode()
    api.on("GET /v1/projects/tweets/labels?manifest=1", lines + end)
    done = labelmill("export", "-p", "tweets", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["item_id"], row["label"], row["withheld"]) for row in rows] == [
        ("1", "a", ""),
        ("2", "", "true"),
    ]
    assert "1 of the labels are held back" in done.err


def test_an_export_that_breaks_leaves_no_file(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    api.on("GET /v1/projects/tweets/labels?manifest=1", LABELS, 200, Content_Length="9999")
    target = tmp_path / "labels.jsonl"
    done = labelmill("export", "-p", "tweets", "-o", str(target))
    assert done.status == 1
    assert not target.exists()
