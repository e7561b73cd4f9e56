"""API keys: what a program proves its user by. A key is shown once; what is kept of it is its hash."""

import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from app.errors import ApiKeyNotFound, InvalidInput, ScopeMissing, TooManyApiKeys
from app.persistence.accounts import UserRole
from app.persistence.api_keys import ApiKey, NewApiKey
from app.persistence.audit import Actor
from app.persistence.credentials import Caller, KeyCredential, Scope, hashed
from app.settings import Tiers

# By it people, logs and scanners of repositories know a key when they see one, and no access token begins like that.
PREFIX: Final = "mp_"
_SECRET_BYTES: Final = 32
_LENGTH: Final = len(PREFIX) + 43
_SHOWN_CHARACTERS: Final = len(PREFIX) + 5


class KeyStore(Protocol):
    async def add(self, caller: Caller, new: NewApiKey, most: int, actor: Actor) -> ApiKey | None: ...
    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]: ...
    async def delete(self, user_id: UUID, key_id: UUID, actor: Actor) -> bool: ...


class Keys:
    def __init__(self, store: KeyStore, tiers: Tiers) -> None:
        self._store = store
        self._tiers = tiers

    async def make(
        self, caller: Caller, name: str, scopes: Collection[Scope], expires_at: datetime | None, actor: Actor
    ) -> tuple[ApiKey, str]:
        """The key, and what nobody can be shown again; raise ScopeMissing, InvalidInput, TooManyApiKeys or NotAuthenticated."""
        if Scope.ADMIN in scopes and caller.user.role is not UserRole.ADMIN:
            raise ScopeMissing("Only an administrator can give a key the scope admin.")
        if expires_at and expires_at <= datetime.now(UTC):
            raise InvalidInput("expires_at: must be in the future.")
        secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        new = NewApiKey(name=name, start=secret[:_SHOWN_CHARACTERS], hash=hashed(secret), scopes=scopes, expires_at=expires_at)
        tier = self._tiers.of(caller.user.tier)
        if key := await self._store.add(caller, new, tier.api_keys, actor):
            return key, secret
        words = f"The tier {tier.name} may have {tier.api_keys} API keys, those that have expired among them."
        raise TooManyApiKeys(words, limit=tier.api_keys, limit_name="api_keys", tier=tier.name)

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        return await self._store.of_user(user_id)

    async def revoke(self, user_id: UUID, key_id: UUID, actor: Actor) -> None:
        """From the next request on it is good for nothing; raise ApiKeyNotFound."""
        if not await self._store.delete(user_id, key_id, actor):
            raise ApiKeyNotFound


def key_credential(secret: str) -> KeyCredential | None:
    """None for what cannot be a key of ours, which the database need not be asked about."""
    return KeyCredential(hashed(secret)) if secret.startswith(PREFIX) and len(secret) == _LENGTH else None
