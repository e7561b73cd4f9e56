"""What an OpenID provider publishes of itself: its addresses (OpenID Connect Discovery 1.0) and its keys (RFC 7517)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

import aiohttp
import orjson
import structlog
from jwt import PyJWK, PyJWKSet, PyJWTError
from pydantic import BaseModel, ValidationError

from app.errors import ProviderBadAnswer, ProviderUnavailable

_OK: Final = 200
_FAULTS_OF_SERVERS: Final = 500
_MOST_BYTES: Final = 1_000_000
_KEPT_SECONDS: Final = 3600
# A key that we do not know may be a new one; who makes them up must not have us ask at every try.
_UNKNOWN_KEY_SECONDS: Final = 60
_DOCUMENT: Final = "/.well-known/openid-configuration"

log = structlog.get_logger()


class Metadata(BaseModel):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: Sequence[str] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False

    @property
    def addresses(self) -> tuple[str, str, str]:
        return self.authorization_endpoint, self.token_endpoint, self.jwks_uri


class Provider:
    def __init__(self, http: aiohttp.ClientSession, issuer: str) -> None:
        self._http = http
        self._issuer = issuer.rstrip("/")
        self._metadata = Kept(self._read_metadata)
        self._keys = Kept(self._read_keys)

    async def metadata(self) -> Metadata:
        """Raise ProviderUnavailable or ProviderBadAnswer."""
        return await self._metadata.get(_KEPT_SECONDS)

    async def key(self, key_id: str | None) -> PyJWK | None:
        """The key of that name, or the only one there is; None when there is none of it. Raise as `metadata` does."""
        return _named(await self._keys.get(_KEPT_SECONDS), key_id) or _named(await self._keys.get(_UNKNOWN_KEY_SECONDS), key_id)

    async def exchange(self, form: Mapping[str, str], authorization: str | None) -> tuple[int, Any]:
        """The token endpoint's status and answer; raise as `metadata` does."""
        headers = {"Accept": "application/json"} | ({"Authorization": authorization} if authorization else {})
        return await self._ask("POST", (await self.metadata()).token_endpoint, data=form, headers=headers)

    async def _read_metadata(self) -> Metadata:
        told = await self._read(self._issuer + _DOCUMENT)
        try:
            metadata = Metadata.model_validate(told)
        except ValidationError as error:
            raise _bad("metadata") from error
        # Whoever answers in another's name must not say where the client's secret goes.
        if metadata.issuer.rstrip("/") != self._issuer:
            raise _bad("issuer")
        if not all(address.startswith(("https://", "http://")) for address in metadata.addresses) or (
            self._issuer.startswith("https://") and not all(address.startswith("https://") for address in metadata.addresses)
        ):
            raise _bad("addresses")
        return metadata

    async def _read_keys(self) -> PyJWKSet:
        told = await self._read((await self.metadata()).jwks_uri)
        try:
            return PyJWKSet.from_dict(told)
        except (PyJWTError, AttributeError, TypeError, ValueError) as error:
            raise _bad("keys") from error

    async def _read(self, url: str) -> Any:  # noqa: ANN401  # whatever the provider sends
        status, told = await self._ask("GET", url)
        if status != _OK:
            raise _bad("status")
        return told

    async def _ask(self, method: str, url: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401
        try:
            async with self._http.request(method, url, allow_redirects=False, **more) as answer:
                if answer.status >= _FAULTS_OF_SERVERS:
                    raise ProviderUnavailable
                return answer.status, orjson.loads(await _body(answer))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProviderUnavailable from error
        except ValueError as error:
            raise _bad("json") from error


class Kept[Value]:
    """What was read, for as long as the one who asks will have it; several who ask at once read once."""

    def __init__(self, read: Callable[[], Awaitable[Value]]) -> None:
        self._read = read
        self._lock = asyncio.Lock()
        self._value: tuple[Value, float] | None = None

    async def get(self, kept_seconds: float) -> Value:
        async with self._lock:
            if self._value is None or monotonic() - self._value[1] > kept_seconds:
                self._value = await self._read(), monotonic()
            return self._value[0]


def _named(keys: PyJWKSet, key_id: str | None) -> PyJWK | None:
    if key_id is None:
        return keys.keys[0] if len(keys.keys) == 1 else None
    return next((key for key in keys.keys if key.key_id == key_id), None)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise _bad("size")
    return bytes(body)


def _bad(what: str) -> ProviderBadAnswer:
    log.warning("oidc_provider_bad_answer", about=what)
    return ProviderBadAnswer()
