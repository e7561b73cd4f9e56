"""What can be seen of the rules without a server: they are sound, each alert is tried both ways, and says what to do."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml
from prometheus_client import Metric

from app.observability.metrics import REGISTRY
from app.settings import ROOT
from tests.prometheus.promql import metric, selectors
from tests.prometheus.rules import ALERTS, FOLDER, RECORDED, RULE_FILES, RULES, TEST_FILES, Rule, cases, shown
from tests.tools import needed

DASHBOARDS: Final = {json.loads(path.read_text())["uid"] for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
SEVERITIES: Final = {"page", "ticket", "none"}
_ALERTMANAGER: Final = FOLDER / "alertmanager.yml"
# It fires whatever there is.
_ALWAYS: Final = {"DeadMansSwitch"}
# Of other programs' exporters, and of Prometheus itself.
_FOREIGN: Final = {"up", "pg_up", "process_start_time_seconds", "prometheus_rule_evaluation_failures_total"}


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([needed("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # our own files


def _sources(rule: Rule) -> Iterator[str]:
    """The selectors that an expression comes down to, through what is recorded."""
    for selector in selectors(rule.expr):
        if metric(selector) in RECORDED:
            yield from _sources(RECORDED[metric(selector)])
        else:
            yield selector


def _families() -> Iterator[tuple[str, Metric]]:
    """Our metrics by each name that a sample of theirs may have."""
    for family in REGISTRY.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        for suffix in suffixes:
            yield f"{family.name}{suffix}", family


@pytest.mark.prometheus
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    for path in set(FOLDER.glob("*.yml")) - {_ALERTMANAGER}:
        # Where the token is kept only the container knows.
        checked = _promtool("check", "config", "--syntax-only", path)
        assert checked.returncode == 0, checked.stderr
    checked = _promtool("check", "rules", *RULE_FILES)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count("SUCCESS") == len(RULE_FILES)


@pytest.mark.prometheus
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    tried = _promtool("test", "rules", path)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_alerts_of_each_severity_reach_somebody() -> None:
    config = yaml.safe_load(_ALERTMANAGER.read_text())
    routes = {matcher: route["receiver"] for route in config["route"]["routes"] for matcher in route["matchers"]}
    assert routes == {'severity="none"': "dead-mans-switch", 'severity="page"': "people"}
    assert config["route"]["receiver"] == "tickets"
    assert {receiver["name"] for receiver in config["receivers"]} == {*routes.values(), "tickets"}
    assert {rule.name for rule in ALERTS if rule.severity == "none"} == _ALWAYS, "nobody reads these"


def test_names_are_given_once() -> None:
    assert [name for name, count in Counter(rule.name for rule in RULES).items() if count > 1] == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_is_tried_both_ways(alert: Rule) -> None:
    tried = [case for case in cases() if case.alert == alert.name]
    assert any(case.fires for case in tried)
    about = {metric(source) for source in _sources(alert)}
    # Quiet, though what it looks at is there: with nothing to look at any alert is.
    quiet = [case for case in tried if not case.fires and about & {metric(series) for series in case.series}]
    assert quiet or alert.name in _ALWAYS


def test_unit_tests_are_about_alerts_that_there_are() -> None:
    assert {case.alert for case in cases()} == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_what_happens_and_where_to_look(alert: Rule) -> None:
    assert alert.severity in SEVERITIES
    assert set(alert.annotations) == {"summary", "description", "dashboard", "runbook_url"}
    # What is measured is said for people to read: a ratio as percent, a time in minutes.
    values = re.findall(r"\{\{ *\$value *(\|[^}]*)?\}\}", alert.annotations["description"])
    assert all(values), "a bare value"
    dashboard = re.fullmatch(r"/d/([a-z-]+)(\?var-\w+=\{\{ \$labels\.\w+ \}\})?", alert.annotations["dashboard"])
    assert dashboard
    assert dashboard[1] in DASHBOARDS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_name_metrics_and_labels_that_there_are(rule: Rule) -> None:
    families = dict(_families())
    for selector in _sources(rule):
        if (name := metric(selector)) in _FOREIGN:
            continue
        assert name in families, name
        labels = set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!)", selector)) - {"job", "instance", "le"}
        assert labels <= _labels_of(families[name].name), selector


def test_only_rules_that_somebody_reads_are_recorded() -> None:
    read = {metric(selector) for rule in RULES for selector in selectors(rule.expr)}
    panels = " ".join(path.read_text() for path in (ROOT / "grafana").rglob("*.json"))
    assert [name for name in RECORDED if name not in read and name not in panels and "30d" not in name] == []


def test_rule_files_are_all_read() -> None:
    assert [shown(path) for path in RULE_FILES] == [shown(path) for path in sorted(FOLDER.rglob("rules/**/*.yml"))]


def _labels_of(name: str) -> set[str]:
    collector = REGISTRY._names_to_collectors[name]
    return set(collector._labelnames)  # type: ignore[attr-defined]  # of every metric of ours
