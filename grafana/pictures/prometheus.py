"""What a Prometheus answers over its HTTP API."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

_SECONDS = 30


class Refused(Exception):
    """Prometheus could not make sense of a query, or of its own data; it says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values by Unix time; what was not there is not in it."""

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


class Prometheus:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def over_time(self, query: str, begin: float, end: float, step: float) -> list[Series]:
        """Raise Refused for a query that it does not take."""
        return [_series(one, one["values"]) for one in self._result("query_range", query=query, start=begin, end=end, step=step)]

    def at(self, query: str, time: float) -> list[Series]:
        """Raise Refused for a query that it does not take."""
        return [_series(one, [one["value"]]) for one in self._result("query", query=query, time=time)]

    def _result(self, what: str, **asked: str | float) -> list[dict[str, Any]]:
        answer = self._http.post(f"/api/v1/{what}", data=asked).json()
        if answer["status"] != "success":
            raise Refused(f"{asked['query']}: {answer['error']}")
        if answer["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": answer["data"]["result"]}]
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def _series(found: Mapping[str, Any], samples: Sequence[tuple[float, str]]) -> Series:
    numbers = [(time, float(value)) for time, value in samples]
    known = [(time, value) for time, value in numbers if math.isfinite(value)]
    return Series(labels=found["metric"], times=[time for time, _ in known], values=[value for _, value in known])
