"""A metric that nobody looks at is a cost and a promise: each is on a panel, in a rule, or has its reason."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.observability.metrics import REGISTRY
from app.settings import ROOT
from tests.prometheus.promql import metric, selectors
from tests.prometheus.rules import RULES

DASHBOARDS: Final = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
# Each with why neither a panel nor a rule has it.
EXEMPT: Final[Mapping[str, str]] = {}
_OF_THE_PROCESS: Final = ("process_", "python_")


def _expressions(part: Any) -> Iterator[str]:
    """What panels and variables ask, wherever in a dashboard it stands."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name in {"expr", "query", "definition"} and isinstance(value, str))
        part = [*part.values()]
    if isinstance(part, list):
        for one in part:
            yield from _expressions(one)


def _used() -> set[str]:
    asked = [rule.expr for rule in RULES]
    asked += [expression for path in DASHBOARDS for expression in _expressions(json.loads(path.read_text()))]
    return {metric(selector) for expression in asked for selector in selectors(expression)}


def _families() -> Mapping[str, set[str]]:
    """Our metrics, with the names of their samples."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    families = [family for family in REGISTRY.collect() if not family.name.startswith(_OF_THE_PROCESS)]
    return {family.name: {f"{family.name}{suffix}" for suffix in suffixes.get(family.type, ("",))} for family in families}


def test_a_metric_is_exempt_or_looked_at_and_not_both() -> None:
    used = _used()
    families = _families()
    assert set(EXEMPT) <= set(families)
    assert [name for name in EXEMPT if families[name] & used] == []


def test_every_metric_is_looked_at() -> None:
    assert DASHBOARDS
    used = _used()
    assert [name for name, samples in _families().items() if not samples & used and name not in EXEMPT] == []


def test_what_panels_ask_is_found_wherever_it_stands() -> None:
    panels = {"panels": [{"targets": [{"expr": "a"}]}, {"panels": [{"targets": [{"expr": "sum(b)"}]}]}], "templating": {"query": "c"}}
    assert sorted(_expressions(panels)) == ["a", "c", "sum(b)"]
