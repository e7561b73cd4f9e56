"""What an ID token says, once it is proved to be its issuer's, for us, of now, and of this very attempt (OpenID Connect Core 3.1.3.7)."""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

import jwt
import structlog

from app.accounts.oidc.provider import Provider
from app.errors import SignInFailed

# Pinned: what a token says of its own algorithm is its forger's choice.
_ALGORITHMS: Final = ("RS256", "ES256")
_REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "nonce")
_LONGEST_TOKEN: Final = 16_384
_LONGEST_SUBJECT: Final = 255
_SKEW_SECONDS: Final = 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who somebody is there. `email` is empty unless the provider vouches for it."""

    issuer: str
    subject: str
    email: str


async def read_id_token(provider: Provider, client_id: str, token: object, nonce: str) -> Claims:
    """Raise SignInFailed, ProviderUnavailable or ProviderBadAnswer."""
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN:
        raise failed("no_id_token")
    issuer = (await provider.metadata()).issuer
    try:
        header = jwt.get_unverified_header(token)
        key = await provider.key(header.get("kid"))
        if key is None or header["alg"] not in _ALGORITHMS or key.algorithm_name != header["alg"]:
            raise failed("key")
        told = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=client_id,
            issuer=issuer,
            leeway=_SKEW_SECONDS,
            options={"require": [*_REQUIRED]},
        )
    except jwt.PyJWTError as error:
        raise failed(type(error).__name__) from error
    _check(told, client_id, nonce)
    return Claims(issuer=issuer, subject=told["sub"], email=_email(told))


def failed(why: str) -> SignInFailed:
    """What exactly was wrong is for whoever runs the server; it names a rule, and nothing that was sent."""
    log.warning("oidc_sign_in_failed", why=why)
    return SignInFailed()


def _check(told: dict[str, Any], client_id: str, nonce: str) -> None:
    if not isinstance(told["nonce"], str) or not compare_digest(told["nonce"].encode(), nonce.encode()):
        raise failed("nonce")
    party = told.get("azp", client_id)
    if party != client_id or (isinstance(told["aud"], list) and len(told["aud"]) > 1 and "azp" not in told):
        raise failed("azp")
    if not 0 < len(told["sub"]) <= _LONGEST_SUBJECT:
        raise failed("sub")


def _email(told: dict[str, Any]) -> str:
    email = told.get("email")
    # Some say it in a word.
    return email if isinstance(email, str) and told.get("email_verified") in (True, "true") else ""
