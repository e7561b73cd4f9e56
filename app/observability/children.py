"""A metric's children by their labels, found in a fraction of the time that the library takes, and never too many of them."""

from typing import Final

from prometheus_client.metrics import MetricWrapperBase

# In the place of a value that is nobody's name, or one too many.
OTHER: Final = "other"
_MOST: Final = 5_000


class Children[M: MetricWrapperBase]:
    """Labels are bounded by what they mean; this bounds them once more, for a scrape that grows without end stops Prometheus too."""

    def __init__(self, metric: M, most: int = _MOST) -> None:
        self._metric = metric
        self._most = most
        self._known: dict[tuple[str, ...], M] = {}

    def __call__(self, *labels: str) -> M:
        return self._known.get(labels) or self._added(labels)

    def _added(self, labels: tuple[str, ...]) -> M:
        if len(self._known) >= self._most:
            return self._metric.labels(*(OTHER for _ in labels))
        self._known[labels] = child = self._metric.labels(*labels)
        return child
