"""The demo's figures: what is read of the example, what a round comes to, and what is shown meanwhile."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from labelmill_cli.demo import data, progress
from labelmill_cli.demo.data import Ratings
from labelmill_cli.demo.measure import Observed, Prices, Round, measure_round, report
from labelmill_cli.demo.progress import RoundProgress
from labelmill_cli.errors import CliError
from rich.console import Console

PRICES = Prices(minutes_per_decision=0.5, usd_per_hour=12)
GOOD, BAD = Ratings((2, 1, 0, -1, 3), (3, -1)), Ratings((-2,), (-3, 1))
RATINGS = {"a": GOOD, "b": BAD, "c": GOOD, "d": BAD}


@pytest.mark.parametrize(
    ("replayed", "answers"),
    [
        ((2, -1, 3), ["positive", "negative", "positive", "positive"]),
        ((0, 0, -4, 1), ["negative", "positive", "negative", "positive"]),
    ],
)
def test_raters_answer_in_turn_and_those_without_an_opinion_are_passed_over(
    replayed: tuple[int, ...], answers: list[str]
) -> None:
    assert [Ratings(replayed, ()).answer(reviewer) for reviewer in range(4)] == answers


def test_the_truth_is_that_of_the_raters_who_are_not_replayed() -> None:
    assert Ratings((-4, -4), (1, 2, -2)).gold == "positive"
    assert Ratings((4, 4), (1, -2)).gold == "negative"


def write_example(folder: Path, count: int) -> None:
    (folder / "project.yaml").write_bytes(b"project: p\n")
    (folder / "items.jsonl").write_text("\n".join(f'{{"item_id":"{n}","content":"x"}}' for n in range(count)))
    rows = [{"item_id": str(n), "ratings": [1, 2, 3, 4, 3, -2, -1]} for n in range(count)]
    (folder / "raters.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_an_example_is_read_up_to_its_limit(tmp_path: Path) -> None:
    write_example(tmp_path, 9)
    read = data.load(tmp_path, limit=4)
    assert read.item_ids == ["0", "1", "2", "3"]
    assert len(read.items) == 4
    assert read.project == b"project: p\n"
    assert read.ratings["3"] == Ratings((1, 2, 3, 4, 3), (-2, -1))
    assert len(data.load(tmp_path).items) == 9


@pytest.mark.parametrize("name", ["project.yaml", "items.jsonl", "raters.jsonl"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    write_example(tmp_path, 1)
    (tmp_path / name).unlink()
    with pytest.raises(CliError, match=rf"{name} is missing: run the demo from a checkout"):
        data.load(tmp_path)


@pytest.mark.parametrize("count", [50, 200, 4199])
def test_the_rounds_take_every_item_once(count: int) -> None:
    stretches = data.rounds(count, (0.1, 0.15, 0.2, 0.25, 0.3))
    assert [number for stretch in stretches for number in stretch] == list(range(count))
    assert [len(stretch) for stretch in stretches] == sorted(len(stretch) for stretch in stretches)


def label(item_id: str, said: str, source: str) -> dict[str, str]:
    return {"item_id": item_id, "label": said, "source": source}


def a_round(number: int = 1, **changes: Any) -> Round:
    """Four items: one accepted and right, one accepted and wrong, two decided by people and right."""
    labels = [
        label("a", "positive", "machine"),
        label("b", "positive", "machine"),
        label("c", "positive", "human"),
        label("d", "negative", "human"),
    ]
    machine: Mapping[str, str] = dict.fromkeys("abcd", "positive") | {"c": "negative"}
    observed = Observed(
        seconds_to_route=0.5, release=3, decisions=2, llm_calls=3, student_only=1, llm_usd=0.25
    )
    chosen: dict[str, Any] = {
        "labels": labels,
        "machine_labels": machine,
        "ratings": RATINGS,
        "observed": observed,
        "prices": PRICES,
    }
    return measure_round(number, **(chosen | changes))


def test_a_round_is_measured_against_gold() -> None:
    measured = a_round()
    assert (measured.items, measured.accuracy, measured.machine_accuracy) == (4, 0.75, 0.25)
    assert (measured.accepted_accuracy, measured.human_share, measured.items_per_s) == (0.5, 0.5, 8.0)
    assert (measured.release, measured.decisions) == (3, 2)
    assert (measured.llm_calls, measured.student_only) == (3, 1)
    assert measured.human_minutes == 1.0
    assert measured.money == pytest.approx(0.25 + 0.2)


def test_a_round_without_accepted_labels_has_no_accuracy_of_them() -> None:
    by_people = [label("a", "positive", "human")]
    measured = a_round(labels=by_people, machine_labels={"a": "negative"})
    assert (measured.accepted_accuracy, measured.human_share, measured.accuracy) == (0.0, 1.0, 1.0)


def test_the_report_adds_the_rounds_up() -> None:
    rounds = [a_round(1), a_round(2)]
    told = report(rounds, final_labels=8, seconds=12.34, ratings=RATINGS, prices=PRICES)
    assert (told["items"], told["final_labels"], told["seconds"], told["accuracy"]) == (8, 8, 12.3, 0.75)
    assert told["one_rater_accuracy"] == 1.0
    assert [each["round"] for each in told["rounds"]] == [1, 2]
    assert told["money"] == {
        "spent": 0.9,
        "humans_alone": 0.8,
        "saved": -0.1,
        "minutes_per_decision": 0.5,
        "usd_per_hour": 12,
    }
    assert told["human_minutes"] == {"spent": 2.0, "humans_alone": 4.0, "saved": 2.0}
    json.dumps(told)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in a list: set its only element."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_progress_is_a_line_now_and_then(clock: list[float]) -> None:
    shown = io.StringIO()
    with RoundProgress(Console(file=shown, width=80)) as rounds:
        rounds.begin("round 1 of 5", 1200)
        rounds.reached(10)
        clock[0] += 20
        rounds.reached(600)
        rounds.reached(601)
        rounds.say("round 1 of 5: training")
    assert shown.getvalue().splitlines() == [
        "round 1 of 5: 1,200 items",
        "round 1 of 5: 600 of 1,200 items final",
        "round 1 of 5: training",
    ]


def test_on_a_terminal_there_is_a_bar(clock: list[float]) -> None:
    shown = io.StringIO()
    with RoundProgress(Console(file=shown, width=80, force_terminal=True, color_system=None)) as rounds:
        rounds.begin("round 1 of 5", 1200)
        clock[0] += 20
        rounds.reached(600)
        rounds.say("round 1: done")
    assert "600/1200" in shown.getvalue()
    assert "round 1: done" in shown.getvalue()
    assert "items final" not in shown.getvalue()


def test_nothing_is_shown_of_a_round_that_has_not_begun() -> None:
    with RoundProgress(Console(file=io.StringIO())) as rounds:
        for show in (lambda: rounds.reached(1), lambda: rounds.say("x")):
            with pytest.raises(AssertionError, match="a round has begun"):
                show()
