"""The tables of docs/operations.md: every setting of every service, and every metric."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from docs_source import ROOT, SERVICES, field_docs, one_line
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.settings import DatabaseSettings, KafkaSettings, ServiceSettings
from labelmill_cli.commands.bootstrap import BootstrapSettings
from labelmill_local.settings import StackSettings
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

_TOOLS: tuple[type[BaseSettings], ...] = (StackSettings, BootstrapSettings)
_SHARED: tuple[type[BaseSettings], ...] = (KafkaSettings, ServiceSettings, DatabaseSettings)
_TITLES = {
    KafkaSettings: "Kafka: every service and the command line",
    ServiceSettings: "Every service",
    DatabaseSettings: "Services that keep tables (all but the router)",
    StackSettings: "The local stack: `labelmill up` and `labelmill demo`",
    BootstrapSettings: "`labelmill bootstrap`",
}


class Undescribed(Exception):
    """A setting or metric says nothing about itself."""


def settings_tables() -> str:
    """Return a table per settings class, in Markdown. Raises Undescribed."""
    parts = [_table_of(cls, _TITLES[cls]) for cls in _SHARED]
    for service in SERVICES:
        parts += [_table_of(cls, service) for cls in _own_settings(service) if cls.__annotations__]
    parts += [_table_of(cls, _TITLES[cls]) for cls in _TOOLS]
    return "\n".join(parts)


def _own_settings(service: str) -> list[type[BaseSettings]]:
    module = importlib.import_module(f"{SERVICES[service]}.settings")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseSettings) and value.__module__ == module.__name__
    ]


def known_variables() -> set[str]:
    """Return the names of all environment variables that a settings class reads."""
    classes = [*_SHARED, *_TOOLS, *(cls for service in SERVICES for cls in _own_settings(service))]
    return {_variable(cls, name) for cls in classes for name in cls.model_fields}


def known_values() -> set[str]:
    """Return the values of the settings that have a choice of words."""
    fields = [field for cls in _SHARED for field in cls.model_fields.values()]
    return {value for field in fields for value in get_args(field.annotation) if isinstance(value, str)}


def _variable(cls: type[BaseSettings], name: str) -> str:
    alias = cls.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else name.upper()


def _table_of(cls: type[BaseSettings], title: str) -> str:
    docs = {name: text for base in reversed(_lineage(cls)) for name, text in field_docs(base).items()}
    lines = [f"### {title}", "", "| variable | default | values | meaning |", "|---|---|---|---|"]
    for name in cls.__annotations__:
        if name not in cls.model_fields:
            continue
        if name not in docs:
            raise Undescribed(f"{cls.__module__}.{cls.__name__}.{name} needs a docstring below it")
        field = cls.model_fields[name]
        default = "depends" if field.default_factory else _default(field.default)
        lines.append(f"| `{_variable(cls, name)}` | {default} | {_values(field.annotation)} | {docs[name]} |")
    return "\n".join([*lines, ""])


def _lineage(cls: type[BaseSettings]) -> list[type]:
    return [base for base in cls.__mro__ if issubclass(base, BaseSettings) and base is not BaseSettings]


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in ("", None, [], ()):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(annotation: Any) -> str:
    choices = [choice for choice in get_args(annotation) if isinstance(choice, str)]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if isinstance(annotation, type):
        names = {bool: "`true`, `false`", int: "whole number", float: "number", SecretStr: "text, secret"}
        return names.get(annotation, "text")
    return "text"


def metrics_table() -> str:
    """Return the table of all metrics, in Markdown. Raises Undescribed."""
    lines = ["| metric | type | labels | set by | meaning |", "|---|---|---|---|---|"]
    remarks = _remarks()
    for attribute, metric in _metrics():
        services = ", ".join(_services_that_set(attribute))
        if not services:
            raise Undescribed(f"no service sets {metric._name} ({attribute}): use it or remove it")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        meaning = remarks.get(attribute) or f"{metric._documentation}."
        lines.append(f"| `{full_name(metric)}` | {metric._type} | {labels} | {services} | {meaning} |")
    return "\n".join([*lines, ""])


def _metrics() -> Iterator[tuple[str, Any]]:
    for attribute, value in vars(Metrics()).items():
        if hasattr(value, "_documentation"):
            yield attribute, value


def metric_names() -> set[str]:
    """Return the name of every metric as rules and dashboards write it, without histogram suffixes."""
    return {full_name(metric) for _, metric in _metrics()}


def full_name(metric: Any) -> str:
    """Return a metric's exposed name: prometheus_client takes a counter's `_total` off and adds it again."""
    return str(metric._name) + ("_total" if metric._type == "counter" else "")


def _remarks() -> dict[str, str]:
    """Return metric attribute to the comment above it in runtime/metrics.py."""
    lines = [line.strip() for line in inspect.getsource(Metrics).splitlines()]
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in lines:
        match = re.match(r"self\.(\w+) = self\._(?:counter|gauge|histogram)", line)
        if match:
            found[match.group(1)] = one_line(" ".join(comment))
        comment = [*comment, line.lstrip("# ")] if line.startswith("#") else []
    return found


def _services_that_set(attribute: str) -> Iterator[str]:
    use = re.compile(rf"metrics\.{attribute}\b")
    if _is_used(use, ROOT / "shared/labelmill/runtime"):
        yield "all"
        return
    for service, package in SERVICES.items():
        if _is_used(use, ROOT / "services" / service / package):
            yield service


def _is_used(use: re.Pattern[str], folder: Path) -> bool:
    return any(use.search(path.read_text()) for path in folder.rglob("*.py"))
