"""Reading what a class says about its own fields: the string that follows each of them in the source."""

import ast
import inspect
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SERVICES = {
    "autolabeler": "autolabeler",
    "router": "router",
    "review-api": "review_api",
    "trainer": "trainer",
}
"""Service to import package; the folder is `services/<service>/<package>`."""


def field_docs(cls: type) -> dict[str, str]:
    """Return field name to description, for the fields that `cls` itself declares."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = _string(following)
    return {name: text for name, text in found.items() if text}


def one_line(text: str | None) -> str:
    """Return `text` without its line breaks."""
    return " ".join((text or "").split())


def _string(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return one_line(str(statement.value.value))
    return ""
