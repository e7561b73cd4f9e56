"""Access tokens: JSON Web Tokens (RFC 7519) that name a user and end soon."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import jwt
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from app.errors import NotAuthenticated

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "milepost"
_LONGEST_TOKEN: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    access_token: str
    expires_at: datetime


class Tokens:
    def __init__(self, secret: SecretStr, life: timedelta) -> None:
        self._secret = secret
        self._life = life

    def issue(self, user_id: UUID) -> AccessToken:
        now = datetime.now(UTC)
        claims = {"iss": _ISSUER, "aud": _ISSUER, "sub": str(user_id), "jti": str(uuid7()), "iat": now, "exp": now + self._life}
        token = jwt.encode(claims, self._secret.get_secret_value(), algorithm=_ALGORITHM)
        return AccessToken(access_token=token, expires_at=now + self._life)

    def user_of(self, token: str) -> UUID:
        """Raise NotAuthenticated for a token that is not ours, not whole or not valid now."""
        if len(token) > _LONGEST_TOKEN:
            raise NotAuthenticated
        try:
            claims = jwt.decode(
                token,
                self._secret.get_secret_value(),
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_ISSUER,
                options={"require": ["exp", "iat", "sub", "jti"]},
            )
            return UUID(claims["sub"])
        except (jwt.InvalidTokenError, ValueError) as error:
            raise NotAuthenticated from error
