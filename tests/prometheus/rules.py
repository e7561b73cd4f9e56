"""The rules as they are in the files, and the unit tests beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from app.settings import ROOT

FOLDER: Final = ROOT / "prometheus"
RULE_FILES: Final = sorted((FOLDER / "rules").glob("*.yml"))
TEST_FILES: Final = sorted((FOLDER / "tests").glob("*.yml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Of an alert `name` is its name, of a recording the series that it makes."""

    name: str
    expr: str
    is_alert: bool
    severity: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One look at one alert: what it was given, and whether it is to fire."""

    alert: str
    series: Sequence[str]
    fires: bool


def _rules() -> Iterator[Rule]:
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield Rule(
                    name=rule.get("alert") or rule["record"],
                    expr=rule["expr"],
                    is_alert="alert" in rule,
                    severity=rule.get("labels", {}).get("severity", ""),
                    annotations=rule.get("annotations", {}),
                )


def cases() -> Sequence[Case]:
    return [case for path in TEST_FILES for test in yaml.safe_load(path.read_text())["tests"] for case in _cases(test)]


def _cases(test: dict[str, Any]) -> Iterator[Case]:
    series = [one["series"] for one in test.get("input_series", [])]
    for look in test["alert_rule_test"]:
        yield Case(alert=look["alertname"], series=series, fires=bool(look["exp_alerts"]))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


RULES: Final = [*_rules()]
ALERTS: Final = [rule for rule in RULES if rule.is_alert]
RECORDED: Final = {rule.name: rule for rule in RULES if not rule.is_alert}
