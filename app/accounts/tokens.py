"""Access tokens: JSON Web Tokens (RFC 7519) that name a user and end soon."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import jwt
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from app.errors import NotAuthenticated
from app.persistence.accounts import Credential

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "milepost"
_LONGEST_TOKEN: Final = 4096
_MOST_KNOWN: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    access_token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    credential: Credential
    expires_at: float  # in seconds since 1970


class Tokens:
    def __init__(self, secret: SecretStr, life: timedelta) -> None:
        self._secret = secret
        self._life = life
        self._known: dict[str, _Known] = {}

    def issue(self, user_id: UUID, login_id: UUID) -> AccessToken:
        now = datetime.now(UTC)
        claims = {
            "iss": _ISSUER,
            "aud": _ISSUER,
            "sub": str(user_id),
            "sid": str(login_id),
            "jti": str(uuid7()),
            "iat": now,
            "exp": now + self._life,
        }
        token = jwt.encode(claims, self._secret.get_secret_value(), algorithm=_ALGORITHM)
        return AccessToken(access_token=token, expires_at=now + self._life)

    def read(self, token: str) -> Credential:
        """Raise NotAuthenticated for a token that is not ours, not whole or not valid now."""
        known = self._known.get(token)
        if known and known.expires_at > time.time():
            return known.credential
        known = self._verified(token)
        # Its signature stays good until it expires, and takes half a millisecond to look at.
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[token] = known
        return known.credential

    def _verified(self, token: str) -> _Known:
        if len(token) > _LONGEST_TOKEN:
            raise NotAuthenticated
        try:
            claims = jwt.decode(
                token,
                self._secret.get_secret_value(),
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_ISSUER,
                options={"require": ["exp", "iat", "sub", "sid", "jti"]},
            )
            return _Known(Credential(user_id=UUID(claims["sub"]), login_id=UUID(claims["sid"])), claims["exp"])
        except (jwt.InvalidTokenError, ValueError, AttributeError) as error:
            raise NotAuthenticated from error
