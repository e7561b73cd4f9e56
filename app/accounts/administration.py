"""What operators may do with accounts; each of it leaves an entry in the audit log."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Protocol
from uuid import UUID

from app.accounts.lockout import Audit
from app.accounts.passwords import Passwords, missing_rules
from app.accounts.users import UserStore, normalised
from app.errors import InvalidInput, OwnAccount, UnknownTier, UserNotFound
from app.persistence.accounts import UserRole
from app.persistence.administration import Account, AccountChange, AccountSearch, Revoked
from app.persistence.audit import Actor, AuditEntry, AuditEvent, AuditSearch


class AdministrationStore(Protocol):
    async def read(self, user_id: UUID) -> Account | None: ...
    async def page(self, search: AccountSearch, *, before: UUID | None, limit: int) -> Sequence[Account]: ...
    async def change(self, user_id: UUID, change: AccountChange, actor: Actor) -> Account | None: ...
    async def revoke(self, user_id: UUID, actor: Actor) -> Revoked | None: ...
    async def set_password(self, user_id: UUID, password_hash: str, actor: Actor) -> int | None: ...


class AuditStore(Protocol):
    async def page(self, search: AuditSearch, *, before: UUID | None, limit: int) -> Sequence[AuditEntry]: ...
    def read(self, search: AuditSearch) -> AsyncGenerator[AuditEntry]: ...


class Administration:
    def __init__(self, store: AdministrationStore, audit: AuditStore, tiers: Collection[str]) -> None:
        """`tiers` are those that the settings name."""
        self._store = store
        self._audit = audit
        self._tiers = tiers

    async def read(self, user_id: UUID) -> Account:
        """Raise UserNotFound."""
        return _found(await self._store.read(user_id))

    async def page(self, search: AccountSearch, *, before: UUID | None, limit: int) -> tuple[Sequence[Account], UUID | None]:
        """Newest first, and where the next page begins, if there is one."""
        found = await self._store.page(search, before=before, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def change(self, user_id: UUID, change: AccountChange, actor: Actor) -> Account:
        """Raise UserNotFound, UnknownTier, or OwnAccount for who would take their own rights away."""
        if change.tier is not None and change.tier not in self._tiers:
            raise UnknownTier(f"There is no tier {change.tier!r}; there are {', '.join(self._tiers)}.")
        if user_id == actor.user_id and (change.disabled or change.role is UserRole.USER):
            raise OwnAccount
        return _found(await self._store.change(user_id, change, actor))

    async def revoke(self, user_id: UUID, actor: Actor) -> Revoked:
        """End all logins and API keys of a user; raise UserNotFound."""
        if revoked := await self._store.revoke(user_id, actor):
            return revoked
        raise UserNotFound

    async def set_password(self, user_id: UUID, password_hash: str, actor: Actor) -> int:
        """End all logins, and return how many there were; raise UserNotFound."""
        if (logins := await self._store.set_password(user_id, password_hash, actor)) is None:
            raise UserNotFound
        return logins

    async def audit(self, search: AuditSearch, *, before: UUID | None, limit: int) -> tuple[Sequence[AuditEntry], UUID | None]:
        """Newest first, and where the next page begins, if there is one."""
        found = await self._audit.page(search, before=before, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def whole_audit(self, search: AuditSearch) -> AsyncGenerator[AuditEntry]:
        return self._audit.read(search)


async def make_admin(
    store: UserStore, passwords: Passwords, administration: Administration, log: Audit, *, email: str, password: str
) -> Account:
    """Make an account that may do all; raise EmailTaken, or InvalidInput for a password that will not do."""
    user = await store.add(normalised(email), await good_hash(passwords, password))
    operator = Actor(user_id=None, address=None)
    await log.add(AuditEvent.REGISTERED, user.id, operator)
    return await administration.change(user.id, AccountChange(role=UserRole.ADMIN), operator)


async def good_hash(passwords: Passwords, password: str) -> str:
    """The hash of a password that an operator gives; raise InvalidInput for one that will not do."""
    if missing := [*missing_rules(password)]:
        raise InvalidInput(f"The password must have {', '.join(missing)}.")
    return await passwords.hash(password)


def _found(account: Account | None) -> Account:
    if account is None:
        raise UserNotFound
    return account
