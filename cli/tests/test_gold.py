"""`gold`: what is handed in, in parts that a request can hold, and what is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Labelmill = Callable[..., Any]
PUT = "PUT /v1/projects/tweets/gold"


def done(added: int, **fields: Any) -> dict[str, Any]:
    return {"added": added, "changed": 0, "refused_count": 0, "refused": []} | fields


def test_a_file_is_sent_and_counted(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    file = tmp_path / "gold.ndjson"
    file.write_text('{"item_id":"t1","label":"positive"}\n{"content":"a text","label":"negative"}\n')
    api.on(PUT, done(2))
    shown = labelmill("gold", "add", "-p", "tweets", str(file))
    assert shown.status == 0
    assert "2 gold items added, 0 there already, 0 refused" in shown.err
    assert api.bodies(PUT) == [file.read_bytes()]


def test_refused_lines_are_told_by_their_number_in_the_file(
    labelmill: Labelmill, api: Any, tmp_path: Path
) -> None:
    file = tmp_path / "gold.ndjson"
    long = '{"content":"' + "x" * 300_000 + '","label":"positive"}\n'
    file.write_text(long * 2 + '{"item_id":"t1","label":"so-so"}\n')
    refusal = {"line": 2, "item_id": "t1", "detail": "'so-so' is no label of the project"}
    api.on(PUT, done(1))
    api.on(PUT, done(1, refused_count=1, refused=[refusal]))
    shown = labelmill("gold", "add", "-p", "tweets", str(file))
    assert shown.status == 1
    assert "line 3: 'so-so' is no label of the project" in shown.err
    assert "2 gold items added, 0 there already, 1 refused" in shown.err
    assert len(api.bodies(PUT)) == 2


def test_the_list_tells_how_people_fared(labelmill: Labelmill, api: Any) -> None:
    gold = {"item_id": "t1", "label": "positive", "skill": None, "content": "what\na day", "answers": 8,
            "correct": 2, "retired": True}  # fmt: skip
    api.on("GET /v1/projects/tweets/gold", {"gold": [gold]})
    shown = " ".join(labelmill("gold", "list", "-p", "tweets").out.split())
    assert "t1 (retired)" in shown
    assert "8" in shown
    assert "25%" in shown
    assert "what a day" in shown


def test_retiring_names_the_item_safely(labelmill: Labelmill, api: Any) -> None:
    api.on("DELETE /v1/projects/tweets/gold/a b", {"item_id": "a b", "retired": True})
    shown = labelmill("gold", "retire", "-p", "tweets", "a b")
    assert (shown.status, shown.err.strip()) == (0, "a b is retired")
