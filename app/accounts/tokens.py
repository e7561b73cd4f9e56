"""Access tokens: JSON Web Tokens that name a user and a login, and end soon."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app import signals
from app.accounts.signing import Expired, NotSigned, SigningKeys
from app.errors import NotAuthenticated
from app.persistence.accounts import Credential

_AUDIENCE: Final = "milepost"
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
    def __init__(self, keys: SigningKeys, life: timedelta) -> None:
        self._keys = keys
        self._life = life
        self._known: dict[str, _Known] = {}

    def issue(self, user_id: UUID, login_id: UUID) -> AccessToken:
        now = datetime.now(UTC)
        claims = {
            "aud": _AUDIENCE,
            "sub": str(user_id),
            "sid": str(login_id),
            "jti": str(uuid7()),
            "iat": now,
            "exp": now + self._life,
        }
        return AccessToken(access_token=self._keys.sign(claims), expires_at=now + self._life)

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
        try:
            claims = self._keys.read(token, _AUDIENCE, ["sub", "sid", "jti"])
            return _Known(Credential(user_id=UUID(claims["sub"]), login_id=UUID(claims["sid"])), float(claims["exp"]))
        except Expired as error:
            signals.token_refused("expired")
            raise NotAuthenticated from error
        except (NotSigned, ValueError, TypeError, AttributeError) as error:
            signals.token_refused("invalid")
            raise NotAuthenticated from error
