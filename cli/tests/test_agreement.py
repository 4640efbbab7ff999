"""`agreement`: the verdict and figures in words, and both exports."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

Labelmill = Callable[..., Any]


def figure(value: float | None, items: int = 40, undefined: str = "") -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.1, min(1.0, value + 0.1))
    return {
        "value": value,
        "low": low,
        "high": high,
        "items": items,
        "pairs": items,
        "undefined": undefined,
    }


def comparison(between: str, blind: bool, raters: int) -> dict[str, Any]:
    lacking = figure(None, 0, "nobody has rated anything")
    known = [figure(value) for value in (0.9, 0.7, 0.71, 0.72, 0.85)] if raters else [lacking] * 5
    names = ("percent", "cohen", "fleiss", "alpha", "ac1")
    labels = [{"label": "=odd", "alpha": figure(0.5), "specific": figure(0.6)}] if raters else []
    weeks = [{"week": 1_760_000_000_000, "guideline_version": 1, "percent": figure(0.9), "alpha": lacking}]
    found: dict[str, Any] = dict(zip(names, known, strict=True))
    return found | {
        "between": between,
        "blind": blind,
        "raters": raters,
        "labels": labels,
        "weeks": weeks if raters else [],
    }


FOUND = {
    "guideline_version": 2,
    "decisions": 80,
    "limited": False,
    "verdict": {"state": "fair", "sentence": "People agree in part: alpha 0.72 (0.62 to 0.82) on 40 items."},
    "comparisons": [comparison("people", True, 2), comparison("machine", False, 0)],
    "pairs": [
        {
            "labels": ["=odd", "even"],
            "items": 4,
            "either": 40,
            "examples": [{"item_id": "t7", "said": {"=odd": 1, "even": 1}}],
        }
    ],
}


def test_it_tells_the_verdict_and_the_figures(labelmill: Labelmill, api: Any) -> None:
    api.on("GET /v1/projects/tweets/agreement", FOUND)
    shown = labelmill("agreement", "-p", "tweets").out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == FOUND["verdict"]["sentence"]  # type: ignore[index]
    assert "people, blind" in lines
    assert "pairs that agree 90.0% (80.0% to 100.0%)" in lines
    assert "Krippendorff's alpha 0.72 (0.62 to 0.82)" in lines
    assert "=odd people, blind 0.50 (0.40 to 0.60) 60.0% (50.0% to 70.0%)" in lines
    assert "=odd or even 4 40 t7" in lines


def test_there_is_no_table_before_anybody_has_rated(labelmill: Labelmill, api: Any) -> None:
    verdict = {"state": "unknown", "sentence": "How far people agree is not known."}
    nobody = [comparison("people", True, 0), comparison("machine", True, 0)]
    api.on(
        "GET /v1/projects/tweets/agreement", FOUND | {"verdict": verdict, "comparisons": nobody, "pairs": []}
    )
    assert labelmill("agreement", "-p", "tweets").out == "How far people agree is not known.\n"


def test_all_figures_go_to_a_table_file(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    api.on("GET /v1/projects/tweets/agreement", FOUND)
    target = tmp_path / "figures.csv"
    done = labelmill("agreement", "-p", "tweets", "--csv", str(target))
    assert "14 figures written" in done.err
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    alpha = next(row for row in rows if (row["of"], row["figure"]) == ("all", "alpha"))
    assert (alpha["between"], alpha["blind"], alpha["guideline_version"]) == ("people", "True", "2")
    assert (float(alpha["value"]), alpha["items"]) == (0.72, "40")
    week = next(row for row in rows if (row["of"], row["figure"]) == ("week", "alpha"))
    assert (week["value"], week["undefined"]) == ("", "nobody has rated anything")
    assert (week["week"], week["guideline_version"]) == ("1760000000000", "1")


def test_who_decided_what_goes_to_a_file(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    lines = b'{"item_id":"t1","reviewer":"ann","label":"positive"}\n{"item_id":"t2"}\n'
    api.on("GET /v1/projects/tweets/agreement", FOUND)
    api.on("GET /v1/projects/tweets/decisions", lines)
    target = tmp_path / "decisions.jsonl"
    done = labelmill("agreement", "-p", "tweets", "--decisions", str(target))
    assert target.read_bytes() == lines
    assert "2 decisions written" in done.err


def test_reviewers_are_told_that_it_is_not_for_them(labelmill: Labelmill, api: Any) -> None:
    api.on("GET /v1/projects/tweets/agreement", {"error": "forbidden", "detail": "for managers"}, 403)
    done = labelmill("agreement", "-p", "tweets")
    assert done.status == 1
    assert "right role" in done.err
