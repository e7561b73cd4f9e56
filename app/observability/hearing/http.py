"""Requests, event streams, and what is refused for its number."""

from contextlib import ExitStack
from typing import Final

from app import signals
from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.ear import hear

# Others may be whatever a client likes to write; OpenTelemetry's word for them.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_OTHER_METHOD: Final = "_OTHER"

_requests = Children(metrics.REQUEST_SECONDS)
_streams = Children(metrics.STREAMS)
_limited = Children(metrics.LIMITED)
_reservations = Children(metrics.QUOTA_RESERVATIONS)


def listen(ears: ExitStack) -> None:
    hear(ears, signals.request_begun, metrics.REQUESTS_ACTIVE.inc)
    hear(ears, signals.request_ended, _request_ended)
    hear(ears, signals.stream_opened, metrics.STREAMS_OPEN.inc)
    hear(ears, signals.stream_closed, _stream_closed)
    hear(ears, signals.limited, lambda limit, tier: _limited(limit, tier).inc())
    hear(ears, signals.quota_moved, lambda what: _reservations(what).inc())
    hear(ears, signals.shared_limits_moved, _shared_limits_moved)


def _request_ended(method: str, route: str, status: int, seconds: float) -> None:
    metrics.REQUESTS_ACTIVE.dec()
    _requests(method if method in _METHODS else _OTHER_METHOD, route, str(status)).observe(seconds)


def _shared_limits_moved(up: bool) -> None:
    metrics.SHARED_LIMITS_UP.set(up)


def _stream_closed(reason: str) -> None:
    metrics.STREAMS_OPEN.dec()
    _streams(reason).inc()
