"""Prometheus' configuration, the alerts and the dashboard, against the metrics in runtime/metrics.py."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import promql_parser
import pytest
import yaml
from docs_source import SERVICES
from labelmill.runtime.metrics import Metrics

FOREIGN = {"up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
TARGET_LABELS = {"job", "instance", "service", "le"}
GRAFANA_VARIABLES = {"$__rate_interval": "1m"}


class Query(NamedTuple):
    """An expression and where it stands."""

    place: str
    expression: str


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def prometheus(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(root / "deploy/prometheus/prometheus.yml")
    return document


@pytest.fixture(scope="module")
def alerts(root: Path) -> list[dict[str, Any]]:
    groups = read_yaml(root / "deploy/prometheus/rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "deploy/grafana/dashboards/labelmill.json").read_text())
    return document


@pytest.fixture(scope="module")
def queries(alerts: list[dict[str, Any]], dashboard: dict[str, Any]) -> list[Query]:
    found = [Query(alert["alert"], alert["expr"]) for alert in alerts]
    for panel in dashboard["panels"]:
        found += [Query(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    found += [Query(a["name"], a["expr"]) for a in dashboard["annotations"]["list"]]
    return found


@pytest.fixture(scope="module")
def metric_labels() -> dict[str, set[str]]:
    """Name of every series that the services expose to the labels it has."""
    labels: dict[str, set[str]] = {name: set() for name in FOREIGN}
    for metric in vars(Metrics()).values():
        if not hasattr(metric, "_labelnames"):
            continue
        names = {
            "counter": [f"{metric._name}_total"],
            "histogram": [f"{metric._name}_{part}" for part in ("bucket", "count", "sum")],
        }.get(metric._type, [metric._name])
        labels |= {name: set(metric._labelnames) for name in names}
    return labels


def parsed(expression: str) -> Any:
    for variable, value in GRAFANA_VARIABLES.items():
        expression = expression.replace(variable, value)
    return promql_parser.parse(expression)


def nodes(expression: str, kind: type) -> Iterator[Any]:
    found: list[Any] = []
    promql_parser.walk(
        parsed(expression), lambda node: found.append(node) if isinstance(node, kind) else None
    )
    yield from found


def selectors(expression: str) -> Iterator[Any]:
    yield from nodes(expression, promql_parser.VectorSelector)


def test_every_expression_parses(queries: list[Query]) -> None:
    assert len(queries) > 40
    for query in queries:
        assert parsed(query.expression) is not None, query


def test_expressions_name_metrics_and_labels_that_exist(
    queries: list[Query], metric_labels: dict[str, set[str]]
) -> None:
    for place, expression in queries:
        for selector in selectors(expression):
            assert selector.name in metric_labels, f"{place}: {selector.name}"
            known = metric_labels[selector.name] | TARGET_LABELS
            used = {matcher.name for matcher in selector.matchers.matchers}
            assert used <= known, f"{place}: {selector.name} has no label {used - known}"


def test_sums_keep_labels_that_exist(queries: list[Query], metric_labels: dict[str, set[str]]) -> None:
    for place, expression in queries:
        for aggregate in nodes(expression, promql_parser.AggregateExpr):
            kept = set(aggregate.modifier.labels) if aggregate.modifier else set()
            for selector in selectors(str(aggregate)):
                unknown = kept - metric_labels[selector.name] - TARGET_LABELS
                assert not unknown, f"{place}: {selector.name} has no label {unknown}"


def test_every_metric_is_watched(queries: list[Query], metric_labels: dict[str, set[str]]) -> None:
    watched = {selector.name for query in queries for selector in selectors(query.expression)}
    shown = {re.sub("_(bucket|count|sum)$", "", name) for name in watched}
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in metric_labels} - shown == set()


def test_every_alert_says_what_is_wrong_and_what_to_do(alerts: list[dict[str, Any]], root: Path) -> None:
    titles = re.findall(r"^#+ (.+)$", (root / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for alert in alerts:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"]
        page, anchor = alert["annotations"]["runbook_url"].split("#")
        assert page == "docs/operations.md"
        assert anchor in anchors, f"docs/operations.md has no section for {alert['alert']}"


def test_templates_use_labels_that_the_alert_has(alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        text = " ".join(alert["annotations"].values())
        for label in re.findall(r"\$labels\.(\w+)", text):
            assert re.search(rf"\b{label}\b", alert["expr"]) or label in ("service", "instance")


def test_prometheus_scrapes_every_service_where_it_listens(
    prometheus: dict[str, Any], compose: dict[str, Any], dockerfiles: dict[str, list[Any]]
) -> None:
    (job,) = [job for job in prometheus["scrape_configs"] if job["job_name"] == "labelmill"]
    targets = {lookup["names"][0]: str(lookup["port"]) for lookup in job["dns_sd_configs"]}
    exposed = {
        service: next(i.rest for i in dockerfiles[f"services/{service}"] if i.word == "EXPOSE")
        for service in SERVICES
    }
    assert targets == exposed
    own = set(compose["services"]["prometheus"]["networks"])
    for service in targets:
        # With two shared networks a name has two addresses, and everything would be counted twice.
        assert len(own & set(compose["services"][service]["networks"])) == 1, service


def test_prometheus_is_given_the_files_it_names(prometheus: dict[str, Any], compose: dict[str, Any]) -> None:
    spec = compose["services"]["prometheus"]
    mounted = {volume.split(":")[1] for volume in spec["volumes"]}
    assert set(prometheus["rule_files"]) <= mounted
    flags = dict(flag.split("=", 1) for flag in spec["command"])
    assert {flags["--config.file"], flags["--storage.tsdb.path"]} <= mounted


def test_grafana_finds_prometheus_and_the_dashboard(compose: dict[str, Any], root: Path) -> None:
    folder = root / "deploy/grafana/provisioning"
    (source,) = read_yaml(folder / "datasources/prometheus.yml")["datasources"]
    url = urlsplit(source["url"])
    networks = compose["services"]
    assert set(networks[url.hostname]["networks"]) & set(networks["grafana"]["networks"])
    assert compose["services"][url.hostname]["ports"][0].endswith(f":{url.port}")
    (provider,) = read_yaml(folder / "dashboards/labelmill.yml")["providers"]
    mounts = dict(reversed(v.split(":")[:2]) for v in compose["services"]["grafana"]["volumes"])
    assert mounts[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/labelmill.json"


def test_panels_do_not_overlap_and_fit_the_page(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_panels_use_the_chosen_data_source(dashboard: dict[str, Any]) -> None:
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert names == {"datasource", "project"}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
