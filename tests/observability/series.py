"""What the metrics are, before something and after it."""

from collections.abc import Mapping
from math import isnan
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from app.observability.metrics import REGISTRY

type Series = tuple[str, frozenset[tuple[str, str]]]

_OF_THE_PROCESS: Final = ("process_", "python_")


def series() -> Mapping[Series, float]:
    """Every sample of ours in this process, but for what it does not know yet, which is not a number."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        if not metric.name.startswith(_OF_THE_PROCESS)
        for sample in metric.samples
        if not isnan(sample.value)
    }


def value(name: str, **labels: str) -> float:
    """Of one series; 0 where there is none yet."""
    return REGISTRY.get_sample_value(name, labels) or 0


async def scraped(url: str, **headers: str) -> Mapping[Series, float]:
    """The same as a server tells it."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/metrics", headers=headers)
    assert answer.status_code == httpx.codes.OK, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(found: Mapping[Series, float], name: str, **labels: str) -> float:
    """The sum of the series that have these labels, and maybe more."""
    return sum(amount for (metric, pairs), amount in found.items() if metric == name and pairs >= labels.items())
