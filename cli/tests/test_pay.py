"""`pay`: what people have earned, and the file for payroll."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Labelmill = Callable[..., Any]

DAYS = [
    ("2026-11-26", "ada", 90, 10, 3600.0, 10.0),
    ("2026-11-27", "ada", 45, 5, 1800.0, 5.0),
    ("2026-11-27", "bob", 3, 0, 0.0, 0.0),
]
FOUND = {
    "since": "2026-11-14",
    "until": "2026-11-27",
    "floor_usd_per_hour": 12.0,
    "below_floor": ["ada"],
    "days": [
        {
            "day": day, "reviewer": name, "decisions": decisions, "checks": checks, "active_seconds": active,
            "amount_usd": amount,
        }
        for day, name, decisions, checks, active, amount in DAYS
    ],
}  # fmt: skip


def test_it_adds_the_days_up_by_person_and_names_who_is_below_the_floor(
    labelmill: Labelmill, api: Any
) -> None:
    api.on("GET /v1/projects/tweets/pay", FOUND)
    shown = labelmill("pay", "-p", "tweets")
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[0] == "2026-11-14 to 2026-11-27"
    assert lines[2:] == ["ada 2 135 15 1.50 $15.00 $10.00", "bob 1 3 0 0.00 $0.00 -"]
    assert "below the floor of $12.00 an hour, on a day or more: ada" in shown.err


def test_the_file_is_what_the_server_says(labelmill: Labelmill, api: Any, tmp_path: Path) -> None:
    api.on("GET /v1/projects/tweets/pay?since=2026-11-14", FOUND)
    api.on("GET /v1/projects/tweets/pay.csv?since=2026-11-14", b"day,reviewer\r\n2026-11-26,ada\r\n")
    file = tmp_path / "pay.csv"
    shown = labelmill("pay", "-p", "tweets", "--since", "2026-11-14", "--csv", str(file))
    assert file.read_bytes() == b"day,reviewer\r\n2026-11-26,ada\r\n"
    assert "3 days written" in shown.err
