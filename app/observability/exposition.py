"""The metrics as Prometheus reads them, for who may."""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Final

import structlog
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector

from app.errors import NotAuthenticated, NotFound
from app.observability.metrics import REGISTRY
from app.settings import Environment, MetricsSettings

_AT_HOME: Final = frozenset({Environment.DEVELOPMENT, Environment.TEST})

log = structlog.get_logger()


class Exposition:
    """One scrape at a time, off the event loop: some megabytes of text are a tenth of a second's work."""

    def __init__(self, settings: MetricsSettings, environment: Environment, look: Callable[[], None]) -> None:
        """`look` reads what is not told when it moves."""
        self._token = settings.token.get_secret_value().encode()
        self._is_shown = settings.are_on and (bool(self._token) or environment in _AT_HOME)
        self._look = look
        self._turn = asyncio.Lock()
        if settings.are_on and not self._is_shown:
            log.info("metrics_not_shown", reason="METRICS_TOKEN is not set.")

    async def scrape(self, headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        """The body, and the headers that go with it; raise NotFound where nobody may see it, or NotAuthenticated."""
        if not self._is_shown:
            raise NotFound
        self._check(headers.get("authorization", ""))
        encode, kind = choose_encoder(headers.get("accept", ""))
        is_packed = gzip_accepted(headers.get("accept-encoding", ""))
        async with self._turn:
            self._look()
            body = await asyncio.to_thread(_written, encode, is_packed=is_packed)
        return body, {"Content-Type": kind, "Cache-Control": "no-store", **({"Content-Encoding": "gzip"} if is_packed else {})}

    def _check(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        is_right = compare_digest(token.strip().encode(errors="replace"), self._token)
        if self._token and not (is_right and scheme.lower() == "bearer"):
            raise NotAuthenticated("This takes METRICS_TOKEN as Authorization: Bearer.")


def _written(encode: Callable[[Collector], bytes], *, is_packed: bool) -> bytes:
    body = encode(REGISTRY)
    # The lowest level takes a fifth of the time, and as much again off the wire as matters in a data centre.
    return gzip.compress(body, compresslevel=1) if is_packed else body
