"""A dashboard's queries with its variables filled in, asked as Grafana would."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grafana.pictures.prometheus import Prometheus, Series

_POINTS: Final = 200
_SCRAPES: Final = 4  # of them $__rate_interval is as long, as Grafana has it
_ALL: Final = ".*"
_LABEL: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that is shown, and how often Prometheus scrapes."""

    begin: float
    end: float
    scrape_seconds: float

    @property
    def step(self) -> float:
        return max((self.end - self.begin) / _POINTS, self.scrape_seconds, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one query of a panel brought; `names` are as its legend has them."""

    ref: str
    found: list[Series]
    names: list[str]


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that ask something: rows do not."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def filled(expr: str, span: Span, variables: Mapping[str, str] | None = None) -> str:
    """Put values in the place of variables; those that are not given are all there is. Raise ValueError for one that nobody knows."""
    window = max(span.step + span.scrape_seconds, _SCRAPES * span.scrape_seconds)
    known = {
        "$__rate_interval": f"{window:.0f}s",
        "$__range": f"{span.end - span.begin:.0f}s",
        "$instance": _ALL,
        "$model": _ALL,
    } | {f"${name}": value for name, value in (variables or {}).items()}
    for name, value in known.items():
        expr = expr.replace(name, value)
    if "$" in expr:
        raise ValueError(f"There is a variable that nobody knows in {expr}")
    return expr


def ask(prometheus: Prometheus, panel: Mapping[str, Any], span: Span) -> list[Answer]:
    """Raise Refused for a query that Prometheus does not take."""
    return [_ask(prometheus, target, span) for target in panel["targets"]]


def _ask(prometheus: Prometheus, target: Mapping[str, Any], span: Span) -> Answer:
    query = filled(target["expr"], span)
    found = prometheus.at(query, span.end) if target["instant"] else prometheus.over_time(query, span.begin, span.end, span.step)
    known = sorted((one for one in found if one.values), key=lambda one: sorted(one.labels.items()))
    return Answer(ref=target["refId"], found=known, names=[_name(target["legendFormat"], one.labels) for one in known])


def _name(legend: str, labels: Mapping[str, str]) -> str:
    if legend == "__auto":
        return ", ".join(labels.values()) or "value"
    return _LABEL.sub(lambda label: labels.get(label[1], ""), legend).strip()
