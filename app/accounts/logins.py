"""Coming in and going out: a login, the tokens it gives one after the other, and its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from app import signals
from app.accounts.refresh_tokens import RefreshToken
from app.accounts.signing import SigningKeys
from app.accounts.tokens import Tokens
from app.errors import InvalidRefreshToken, LoginNotFound
from app.persistence.accounts import Origin
from app.persistence.logins import Login, Opening, Outcome, Rotated, Rotation

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_at: datetime


class LoginStore(Protocol):
    async def open(self, opening: Opening, origin: Origin) -> bool: ...
    async def rotate(self, rotation: Rotation, address: str | None) -> Rotated: ...
    async def end(self, user_id: UUID, address: str | None, *, login_id: UUID | None = None) -> int: ...
    async def end_by_token(self, login_id: UUID, refresh_hash: bytes, address: str | None) -> None: ...
    async def list(self, user_id: UUID) -> Sequence[Login]: ...


class Logins:
    def __init__(self, store: LoginStore, keys: SigningKeys, tokens: Tokens) -> None:
        self._store = store
        self._keys = keys
        self._tokens = tokens

    async def enter(self, user_id: UUID, origin: Origin, password_hash: str | None = None) -> TokenPair | None:
        """Log somebody in who has shown who they are; None for who may not come in, or whose password is not that any more."""
        login_id = uuid7()
        refresh = RefreshToken.new(login_id, self._keys)
        opening = Opening(user_id=user_id, login_id=login_id, refresh_hash=refresh.hash, password_hash=password_hash)
        return self._pair(user_id, refresh) if await self._store.open(opening, origin) else None

    async def refresh(self, text: str, origin: Origin) -> TokenPair:
        """Give the next tokens; raise InvalidRefreshToken.

        The same ones again where the first answer has been lost just now, or two tabs ask at once. A token that was used before that
        two people have: its login ends, for all that came of it.
        """
        if (token := RefreshToken.parse(text)) is None:
            signals.token_refused("invalid")
            raise InvalidRefreshToken
        following = RefreshToken.new(token.login_id, self._keys)
        rotation = Rotation(
            login_id=token.login_id,
            hash=token.hash,
            is_genuine=token.is_genuine(self._keys),
            next_hash=following.hash,
            successor=token.hide(following.secret),
        )
        rotated = await self._store.rotate(rotation, origin.address)
        match rotated:
            case Rotated(outcome=Outcome.ROTATED, user_id=UUID() as user_id):
                return self._pair(user_id, following)
            case Rotated(outcome=Outcome.REPEATED, user_id=UUID() as user_id, successor=bytes() as hidden):
                return self._pair(user_id, RefreshToken.new(token.login_id, self._keys, token.hide(hidden)))
        if rotated.outcome is Outcome.REUSED:
            signals.refresh_token_reused()
            log.warning("refresh_token_reused", login_id=str(token.login_id))
        else:
            signals.token_refused("revoked" if rotated.user_id else "unknown")
        raise InvalidRefreshToken

    async def leave(self, user_id: UUID, login_id: UUID, origin: Origin) -> None:
        await self._store.end(user_id, origin.address, login_id=login_id)

    async def leave_by_token(self, text: str, origin: Origin) -> None:
        """Nothing happens when it is not one that is good: whoever wants to be out is."""
        if token := RefreshToken.parse(text):
            await self._store.end_by_token(token.login_id, token.hash, origin.address)

    async def leave_everywhere(self, user_id: UUID, origin: Origin) -> None:
        await self._store.end(user_id, origin.address)

    async def list(self, user_id: UUID) -> Sequence[Login]:
        return await self._store.list(user_id)

    async def end(self, user_id: UUID, login_id: UUID, origin: Origin) -> None:
        """Raise LoginNotFound where it is another's, or over."""
        if not await self._store.end(user_id, origin.address, login_id=login_id):
            raise LoginNotFound

    def _pair(self, user_id: UUID, refresh: RefreshToken) -> TokenPair:
        access = self._tokens.issue(user_id, refresh.login_id)
        return TokenPair(access_token=access.access_token, refresh_token=str(refresh), expires_at=access.expires_at)
