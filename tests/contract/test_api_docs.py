"""The documents that are written from the code: up to date, valid, and complete."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import api_docs
import jsonschema
import pytest
import typer
import yaml
from docs_source import SERVICES
from docs_tables import known_values, known_variables, metric_names
from labelmill.projects import load_project
from labelmill.topics import TOPICS
from labelmill_cli.app import build as command_line

Document = dict[str, Any]


@pytest.fixture(scope="module")
def asyncapi(root: Path) -> Document:
    document: Document = yaml.safe_load((root / "docs/asyncapi.yaml").read_text())
    return document


@pytest.fixture(scope="module")
def openapi(root: Path) -> Document:
    document: Document = json.loads((root / "docs/openapi.json").read_text())
    return document


@pytest.fixture(scope="module")
def operations(root: Path) -> str:
    return (root / "docs/operations.md").read_text()


def resolved(document: Document, reference: str) -> Any:
    """Return what a local reference points at. Raises KeyError."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def references(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [ref for value in document.values() for ref in references(value)]
    if isinstance(document, list):
        return [ref for value in document for ref in references(value)]
    return []


def test_they_match_the_code(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert api_docs.main(["--check", "--docs", str(root / "docs")]) == 0, capsys.readouterr().out


def test_a_difference_is_shown_with_its_remedy_and_mended(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in api_docs.DOCUMENTS:
        shutil.copy(root / "docs" / name, tmp_path)
    document = tmp_path / "asyncapi.yaml"
    good = document.read_text()
    document.write_text(good.replace("labels.scored", "labels.guessed"))
    assert api_docs.main(["--check", "--docs", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "+  labels.scored:" in shown
    assert "make docs" in shown
    assert api_docs.main(["--write", "--docs", str(tmp_path)]) == 0
    assert document.read_text() == good


def test_the_asyncapi_document_is_valid(asyncapi: Document, schemas: Document) -> None:
    jsonschema.Draft7Validator(schemas["asyncapi-3.0.0"]).validate(asyncapi)


@pytest.mark.parametrize("name", ["asyncapi", "openapi"])
def test_every_reference_leads_somewhere(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name)
    found = references(document)
    assert found
    for reference in found:
        assert resolved(document, reference)


def test_every_topic_and_dlq_has_a_channel(asyncapi: Document) -> None:
    names = {topic.name for topic in TOPICS} | {topic.dlq for topic in TOPICS if topic.dlq}
    assert {channel["address"] for channel in asyncapi["channels"].values()} == names


def test_every_channel_is_written_and_every_topic_is_read(asyncapi: Document) -> None:
    actions = {
        (operation["action"], resolved(asyncapi, operation["channel"]["$ref"])["address"])
        for operation in asyncapi["operations"].values()
    }
    for topic in TOPICS:
        assert {("send", topic.name), ("receive", topic.name)} <= actions
        assert topic.dlq is None or ("send", topic.dlq) in actions


def test_payloads_describe_the_events(asyncapi: Document) -> None:
    for topic in TOPICS:
        message = asyncapi["components"]["messages"][topic.event.__name__]
        schema = resolved(asyncapi, message["payload"]["$ref"])
        assert set(schema["properties"]) == set(topic.event.__struct_fields__)
        assert schema["description"]


def test_payload_schemas_are_json_schemas(asyncapi: Document) -> None:
    for schema in asyncapi["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_http_document_covers_the_api(openapi: Document) -> None:
    paths = set(openapi["paths"])
    for path in ("/v1/projects/{project}/items", "/v1/tasks/{task_id}/decision", "/v1/login", "/v1/accounts"):
        assert path in paths
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path} says nothing about itself"


def test_every_setting_and_metric_is_described(operations: str) -> None:
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", operations, re.MULTILINE))
    assert described == known_variables()
    described = set(re.findall(r"^\| `(labelmill_\w+)` \|", operations, re.MULTILINE))
    assert described == metric_names()


def test_settings_and_metrics_in_the_texts_exist(root: Path) -> None:
    words = known_variables() | known_values()
    for path in [*(root / "docs").rglob("*.md"), *(root / "services").glob("*/README.md")]:
        text = path.read_text()
        for name in re.findall(r"`(labelmill_\w+)`", text):
            assert name in metric_names(), f"{path.name}: {name}"
        for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", text):
            assert name in words or name.startswith("LABELMILL_"), f"{path.name}: {name}"


def test_projects_in_the_texts_can_be_applied(root: Path) -> None:
    found = re.findall(r"```yaml\n(project:.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert found, "the README shows a project"
    for text in found:
        load_project(text)


def test_commands_in_the_texts_exist(root: Path) -> None:
    top = typer.main.get_command(command_line())
    for path in (root / "docs").rglob("*.md"):
        text = path.read_text()
        inline = re.findall(r"`(?:labelmill|[\w ]*run --rm cli) ([^`]+)`", text)
        blocks = re.findall(r"^ {4,}.*?\b(?:labelmill|run --rm cli) (\w.*)$", text, re.MULTILINE)
        assert path.name != "operations.md" or len(blocks) > 5
        for words in (line.split() for line in [*inline, *blocks]):
            inner: Any = top
            for word in words:
                if getattr(inner, "commands", None):
                    assert word in inner.commands, f"{path.name}: labelmill {' '.join(words)}"
                    inner = inner.commands[word]


def test_every_reason_for_a_dead_letter_is_explained(root: Path, operations: str) -> None:
    raised = re.compile(r'(?:InvalidRecord|Unusable)\(\s*"(\w+)"')
    sources = [root / "shared/labelmill"] + [root / "services" / s / p for s, p in SERVICES.items()]
    reasons = {
        reason
        for folder in sources
        for path in folder.rglob("*.py")
        for reason in raised.findall(path.read_text())
    }
    assert len(reasons) > 10
    table = operations[operations.index("| reason | what it means") :]
    assert reasons - set(re.findall(r"`(\w+)`", table)) == set()


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    for path in (root / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            if target.startswith("http"):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            assert file.exists(), f"{path.name}: {target}"
            if anchor:
                assert anchor in anchors(file), f"{path.name}: {target}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of a Markdown document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
