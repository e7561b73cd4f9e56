"""Send somebody to the provider, and learn from what they bring back who they are there."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from app.accounts.oidc.attempt import Attempt
from app.accounts.oidc.id_token import Claims, failed, read_id_token
from app.accounts.oidc.provider import Provider
from app.errors import ProviderBadAnswer
from app.settings import OidcSettings

_OK: Final = 200
_REFUSED: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What the provider sent somebody back with (RFC 6749 4.1.2, RFC 9207)."""

    state: str
    code: str | None
    issuer: str | None


class SignIn:
    def __init__(self, provider: Provider, settings: OidcSettings, redirect_uri: str) -> None:
        self._provider = provider
        self._settings = settings
        self._redirect_uri = redirect_uri

    @property
    def name(self) -> str:
        return self._settings.name or urlsplit(self._settings.issuer).hostname or ""

    async def reach(self) -> None:
        """Read what the provider tells of itself, and its keys; raise ProviderUnavailable or ProviderBadAnswer."""
        await self._provider.key(None)

    async def address(self, attempt: Attempt) -> str:
        """Where to send them; raise ProviderUnavailable or ProviderBadAnswer."""
        endpoint = (await self._provider.metadata()).authorization_endpoint
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def finish(self, attempt: Attempt, returned: Returned) -> Claims:
        """Raise SignInFailed, ProviderUnavailable or ProviderBadAnswer."""
        if not attempt.secret or not compare_digest(attempt.state.encode(), returned.state.encode()):
            raise failed("state")
        metadata = await self._provider.metadata()
        if returned.issuer is None and metadata.authorization_response_iss_parameter_supported:
            raise failed("iss")
        if returned.issuer not in {None, metadata.issuer}:
            raise failed("iss")
        if not returned.code:
            raise failed("declined")
        told = await self._redeem(attempt, returned.code)
        return await read_id_token(self._provider, self._settings.client_id, told.get("id_token"), attempt.nonce)

    async def _redeem(self, attempt: Attempt, code: str) -> Mapping[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri, "code_verifier": attempt.verifier}
        proof, authorization = await self._own_proof()
        status, told = await self._provider.exchange({**form, **proof}, authorization)
        if status == _REFUSED and isinstance(told, dict) and told.get("error") == "invalid_grant":
            raise failed("code")
        if status != _OK or not isinstance(told, dict):
            raise ProviderBadAnswer
        return told

    async def _own_proof(self) -> tuple[Mapping[str, str], str | None]:
        """Fields of the form, or a header, as the provider will have it (RFC 6749 2.3.1)."""
        client_id, secret = self._settings.client_id, self._settings.client_secret.get_secret_value()
        if not secret:
            return {"client_id": client_id}, None
        if "client_secret_basic" in (methods := (await self._provider.metadata()).token_endpoint_auth_methods_supported):
            named = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
            return {}, f"Basic {b64encode(named.encode()).decode()}"
        if "client_secret_post" not in methods:
            raise ProviderBadAnswer("The sign-in provider takes this server's secret in no way that is known here.")
        return {"client_id": client_id, "client_secret": secret}, None
