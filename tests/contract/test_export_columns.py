"""The CSV of an export tells what the lines of the API tell."""

import json
from pathlib import Path
from typing import Any

from labelmill_cli.commands.items import columns_of

LEFT_OUT = {"machine_label"}
"""What only the lines of JSON have."""


def documented_lines(root: Path) -> list[dict[str, Any]]:
    openapi = json.loads((root / "docs/openapi.json").read_text())
    answer = openapi["paths"]["/v1/projects/{project}/labels"]["get"]["responses"]["200"]
    example: str = answer["content"]["application/x-ndjson"]["example"]
    return [json.loads(line) for line in example.splitlines()]


def test_each_field_of_a_line_has_its_column(root: Path) -> None:
    told, held_back = documented_lines(root)
    assert held_back.keys() - told.keys() == {"withheld"}
    assert held_back.keys() - LEFT_OUT <= set(columns_of(content=False))


def test_what_is_held_back_is_the_last_column_whatever_else_is_asked_for() -> None:
    plain, with_content = columns_of(content=False), columns_of(content=True)
    assert plain[0] == with_content[0] == "item_id"
    assert plain[-1] == with_content[-1] == "withheld"
    assert set(with_content) - set(plain) == {"content"}
