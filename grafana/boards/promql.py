"""Queries over our own metrics, made from the metrics themselves: a name or a label that is not there fails before Grafana sees it.

`by` names labels to keep; `where` is more matchers, in PromQL's words. Every selector takes the instances that are chosen at the top of the
dashboard.
"""

import re
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

type Metric = Counter | Gauge | Histogram

HERE: Final = 'instance=~"$instance"'
# Grafana's own: at least four scrapes long, so that a rate always has something to go by.
_WINDOW: Final = "$__rate_interval"
_LABEL: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def rate(metric: Counter, *by: str, where: str = "", window: str = _WINDOW) -> str:
    """Per second, summed over instances."""
    return f"sum{_by(metric, by)} (rate({_selected(metric, where, '_total')}[{window}]))"


def per_minute(metric: Counter, *by: str, where: str = "") -> str:
    return f"{rate(metric, *by, where=where)} * 60"


def increase(metric: Counter, *by: str, where: str = "", window: str = "$__range") -> str:
    """How often in the time that the dashboard shows."""
    return f"sum{_by(metric, by)} (increase({_selected(metric, where, '_total')}[{window}]))"


def calls(metric: Histogram, *by: str, where: str = "") -> str:
    """How many per second were measured."""
    return f"sum{_by(metric, by)} (rate({_selected(metric, where, '_count')}[{_WINDOW}]))"


def quantile(share: float, metric: Histogram, *by: str, where: str = "") -> str:
    return f"histogram_quantile({share}, {buckets(metric, *by, where=where)})"


def buckets(metric: Histogram, *by: str, where: str = "") -> str:
    return f"sum{_by(metric, by, 'le')} (rate({_selected(metric, where, '_bucket')}[{_WINDOW}]))"


def mean(metric: Histogram, *by: str, where: str = "") -> str:
    time = f"sum{_by(metric, by)} (rate({_selected(metric, where, '_sum')}[{_WINDOW}]))"
    return f"{time} / {calls(metric, *by, where=where)}"


def total(metric: Gauge, *by: str, where: str = "") -> str:
    """What the instances have together."""
    return f"sum{_by(metric, by)} ({_selected(metric, where)})"


def highest(metric: Gauge, *by: str, where: str = "") -> str:
    """What any instance tells of something that all share (a sampled gauge): their sum would count it as often as there are instances."""
    return f"max{_by(metric, by)} ({_selected(metric, where)})"


def ago(metric: Gauge, *by: str) -> str:
    """Seconds since the time that it tells; 0 of what has never been, which it tells as 0: nobody did it in 1970."""
    at = highest(metric, *by)
    return f"time() - ({at} > 0) or {at}"


def lowest(metric: Gauge, *by: str, where: str = "") -> str:
    return f"min{_by(metric, by)} ({_selected(metric, where)})"


def share(part: str, whole: str) -> str:
    """`part` of `whole`, both without labels; nothing while there is no whole, for then nobody knows."""
    return f"(({part}) or vector(0)) / ({whole} > 0)"


def name_of(metric: Metric) -> str:
    [family] = metric.describe()
    return family.name


def labels_of(metric: Metric) -> tuple[str, ...]:
    return tuple(metric._labelnames)  # noqa: SLF001  # prometheus_client tells them nowhere else


def _by(metric: Metric, by: tuple[str, ...], *more: str) -> str:
    if unknown := {*by} - {*labels_of(metric), "instance", "job"}:
        raise ValueError(f"{name_of(metric)} has no label {', '.join(sorted(unknown))}.")
    return f" by ({', '.join((*by, *more))})" if by or more else ""


def _selected(metric: Metric, where: str, suffix: str = "") -> str:
    if unknown := {*_LABEL.findall(where)} - {*labels_of(metric), "instance", "job"}:
        raise ValueError(f"{name_of(metric)} has no label {', '.join(sorted(unknown))}.")
    matchers = f"{HERE}, {where}" if where else HERE
    return f"{name_of(metric)}{suffix}{{{matchers}}}"
