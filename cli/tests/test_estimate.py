"""What a run would cost: tokens, calls after equal texts, money, people."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labelmill.projects import ProjectSpec, load_project
from labelmill_cli.estimating import HumanShare, Texts, roughly, worked_out

Labelmill = Callable[..., Any]
PROJECT = """
project: p
title: P
labels: [{name: a}, {name: b}]
guideline: G
voters:
  - {name: one, type: llm, model: m, input_usd_per_mtok: 2.0, output_usd_per_mtok: 8.0}
  - {name: many, type: llm, model: m, method: samples, samples: 3, mode: batch, batch_discount: 0.5,
     input_usd_per_mtok: 2.0, output_usd_per_mtok: 8.0}
  - {name: student, type: student}
policy: {audit_rate: 0.1, audit_raters: 2}
budget: {usd_per_day: 0.01}
minutes_per_decision: 0.5
usd_per_hour: 12
"""


@pytest.fixture
def spec() -> ProjectSpec:
    return load_project(PROJECT)


def words(text: str) -> float:
    return float(len(text.split()))


def texts_of(*contents: str) -> Texts:
    texts = Texts(words)
    for content in contents:
        texts.add(json.dumps({"content": content}).encode())
    return texts


def test_equal_texts_are_asked_once_and_batches_cost_less(spec: ProjectSpec) -> None:
    found = worked_out(spec, texts_of("x y", "z", "x y"), words, counted_by="words", human=HumanShare())
    one, many = found.voters
    assert (one.calls, many.calls) == (2, 6)
    assert many.input_tokens == 3 * one.input_tokens
    assert one.usd_live == pytest.approx((2 * one.input_tokens + 8 * 2) / 1e6)
    assert one.usd_batch == one.usd == one.usd_live, "no discount is known"
    assert many.usd == many.usd_batch == pytest.approx(many.usd_live / 2)
    assert found.usd == pytest.approx(one.usd + many.usd + found.people.usd)
    assert found.days_under_cap == pytest.approx((one.usd + many.usd) / 0.01)


def test_a_longer_text_costs_its_tokens_more(spec: ProjectSpec) -> None:
    short, long = (
        worked_out(spec, texts_of(text), words, counted_by="w", human=HumanShare()).voters[0].input_tokens
        for text in ("x", "x " * 101)
    )
    assert long - short == 100


def test_people_decide_their_share_and_the_audits(spec: ProjectSpec) -> None:
    texts = texts_of(*map(str, range(1000)))
    people = worked_out(spec, texts, words, counted_by="w", human=HumanShare(share=0.2)).people
    assert people.share == pytest.approx(0.28)
    assert people.decisions == 200 + 160
    assert people.minutes == 180
    assert people.usd == pytest.approx(36.0)
    assert people.usd_alone == pytest.approx(100.0)


def test_the_approximation_knows_other_scripts() -> None:
    assert roughly("abcdefgh") == 2
    assert roughly("好好好") == 2


def test_the_command_reads_a_file_and_takes_the_share_from_a_project(
    labelmill: Labelmill, api: Any, tmp_path: Path
) -> None:
    project, items = tmp_path / "p.yaml", tmp_path / "i.jsonl"
    project.write_text(
        PROJECT.replace("model: m,", "model: unknown,", 1).replace("input_usd_per_mtok: 2.0, ", "", 1)
    )
    items.write_bytes(b'{"content":"x"}\n{"content":"y"}\n{\n')
    api.on(
        "GET /v1/projects/old/status",
        {"items": 100, "requested": 50, "withdrawn": 10, "decided": 30, "human_seconds": 900.0},
    )
    done = labelmill("estimate", str(project), str(items), "--like", "old", "--json")
    found = json.loads(done.out)
    assert (found["items"], found["unreadable"]) == (2, 1)
    assert found["people"]["share"] == 0.4
    assert found["people"]["minutes"] == pytest.approx(0.5)
    assert "measured on old: 40.0% of its 100 items" in found["assumptions"][0]
    assert found["warnings"] == ["no price known for model unknown: its calls count as free"]
    shown = labelmill("estimate", str(project), str(items), "--human-share", "0.5")
    assert "2 items, 2 texts that differ" in shown.out
    assert "under the project's daily cap" in shown.out
    assert "an approximation" in shown.err


def test_a_csv_and_a_bad_tokenizer(labelmill: Labelmill, tmp_path: Path) -> None:
    project, items = tmp_path / "p.yaml", tmp_path / "i.csv"
    project.write_text(PROJECT)
    items.write_text("id,text\n1,hello\n")
    assert "1 items" in labelmill("estimate", str(project), str(items)).out
    bad = labelmill("estimate", str(project), str(items), "--tokenizer", str(items))
    assert (bad.status, "no tokenizer.json" in bad.err) == (1, True)
