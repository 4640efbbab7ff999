"""Writes docs/asyncapi.yaml, docs/openapi.json and the tables of docs/operations.md from the code.

`--check` writes nothing: it exits with status 1 and shows the difference where a document is out of date.
"""

import argparse
import difflib
import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import yaml
from docs_asyncapi import asyncapi, settings_of
from docs_source import ROOT
from docs_tables import metrics_table, settings_tables
from fastapi import FastAPI

_SECTION = "<!-- {0}: written by `make docs`, do not edit -->\n{1}<!-- /{0} -->"
_DIFF_LINES = 60


def asyncapi_yaml(_: str) -> str:
    """Return the AsyncAPI document of all services."""
    header = "# Written by `make docs` from the services' brokers and the event types. Do not edit.\n"
    document = asyncapi(version("labelmill-shared"))
    return header + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def openapi_json(_: str) -> str:
    """Return the OpenAPI document of review-api."""
    service = importlib.import_module("review_api.app").build(settings_of("review-api")())
    app = service.app
    if not isinstance(app, FastAPI):
        raise TypeError(f"review-api serves {type(app).__name__}, not a FastAPI application")
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


def operations_md(present: str) -> str:
    """Return docs/operations.md with its generated sections renewed."""
    return _with_section(_with_section(present, "settings", settings_tables()), "metrics", metrics_table())


def _with_section(text: str, name: str, content: str) -> str:
    before, found, rest = text.partition(f"<!-- {name}: ")
    _, also_found, after = rest.partition(f"<!-- /{name} -->")
    if not (found and also_found):
        raise LookupError(f"docs/operations.md has lost its section <!-- {name}: … --> to <!-- /{name} -->")
    return before + _SECTION.format(name, content) + after


DOCUMENTS: dict[str, Callable[[str], str]] = {
    "asyncapi.yaml": asyncapi_yaml,
    "openapi.json": openapi_json,
    "operations.md": operations_md,
}
"""File in docs/ to the function that makes it from its present text."""


def main(arguments: list[str] | None = None) -> int:
    """Write or check all documents; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the documents")
    mode.add_argument("--check", action="store_true", help="fail where a document is out of date")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the documents")
    options = parser.parse_args(arguments)
    outdated = 0
    for name, make in DOCUMENTS.items():
        path = options.docs / name
        present = path.read_text() if path.exists() else ""
        wanted = make(present)
        if options.write:
            path.write_text(wanted)
        elif wanted != present:
            outdated += 1
            _show(name, present, wanted)
    if outdated:
        print("The documents do not match the code: run `make docs` and commit what it changes.")
    return 1 if outdated else 0


def _show(name: str, present: str, wanted: str) -> None:
    lines = list(
        difflib.unified_diff(
            present.splitlines(), wanted.splitlines(), f"docs/{name}", "from the code", lineterm=""
        )
    )
    print("\n".join(lines[:_DIFF_LINES]))
    if len(lines) > _DIFF_LINES:
        print(f"… and {len(lines) - _DIFF_LINES} more lines")


if __name__ == "__main__":
    sys.exit(main())
