"""What operators see and do: users, their tiers and rights, and the audit log."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from app.accounts.administration import Administration
from app.api.deps import ActorDep, AdministrationDep, CurrentUser
from app.api.errors import problems
from app.api.v1.admin_schemas import AccountChangeIn, AccountOut, AccountPage, AuditEntryOut, AuditPage, RevokedOut, TierName
from app.api.v1.text import SOUND, Moment
from app.errors import AdminOnly, OwnAccount, UnknownTier, UserNotFound
from app.persistence.accounts import UserRole
from app.persistence.administration import AccountChange, AccountSearch
from app.persistence.audit import AuditEntry, AuditSearch

_LINES: Final = "application/x-ndjson"


async def _admin(user: CurrentUser) -> None:
    if user.role is not UserRole.ADMIN:
        raise AdminOnly


# Of each route, be it one that somebody adds.
router = APIRouter(dependencies=[Depends(_admin)], responses=problems(AdminOnly))
_not_found = problems(UserNotFound)
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of a page")]
Cursor = Annotated[UUID | None, Query(description="`next_cursor` of the page before")]


async def _search(
    event: Annotated[str, Query(max_length=64, description="Of this event only"), SOUND] = "",
    user_id: Annotated[UUID | None, Query(description="About this user, or by them")] = None,
    since: Annotated[Moment | None, Query(description="From this moment on, with its zone")] = None,
) -> AuditSearch:
    return AuditSearch(event=event, about=user_id, since=since)


SearchDep = Annotated[AuditSearch, Depends(_search)]


async def _which_users(
    q: Annotated[str, Query(max_length=320, description="Part of an email, in any case"), SOUND] = "",
    role: UserRole | None = None,
    tier: TierName | None = None,
    disabled: bool | None = None,
) -> AccountSearch:
    return AccountSearch(email=q, role=role, tier=tier, disabled=disabled)


@router.get("/users")
async def list_users(
    search: Annotated[AccountSearch, Depends(_which_users)], administration: AdministrationDep, limit: Limit = 50, cursor: Cursor = None
) -> AccountPage:
    """All users, newest first."""
    found, following = await administration.page(search, before=cursor, limit=limit)
    return AccountPage(items=[AccountOut.model_validate(account, from_attributes=True) for account in found], next_cursor=following)


@router.get("/users/{user_id}", responses=_not_found)
async def read_user(user_id: UUID, administration: AdministrationDep) -> AccountOut:
    return AccountOut.model_validate(await administration.read(user_id), from_attributes=True)


@router.patch("/users/{user_id}", responses=_not_found | problems(UnknownTier, OwnAccount))
async def change_user(user_id: UUID, change: AccountChangeIn, actor: ActorDep, administration: AdministrationDep) -> AccountOut:
    """Give them another tier or role, shut them out or let them in again. Who is shut out is logged out, and what they asked is stopped."""
    wanted = AccountChange(role=change.role, tier=change.tier, disabled=change.disabled)
    return AccountOut.model_validate(await administration.change(user_id, wanted, actor), from_attributes=True)


@router.post("/users/{user_id}/revoke", responses=_not_found)
async def revoke_tokens(user_id: UUID, actor: ActorDep, administration: AdministrationDep) -> RevokedOut:
    """Log them out everywhere and revoke their API keys; they may log in again."""
    return RevokedOut.model_validate(await administration.revoke(user_id, actor), from_attributes=True)


@router.get("/audit")
async def list_audit(search: SearchDep, administration: AdministrationDep, limit: Limit = 50, cursor: Cursor = None) -> AuditPage:
    """The audit log, newest first."""
    found, following = await administration.audit(search, before=cursor, limit=limit)
    return AuditPage(items=[_entry(entry) for entry in found], next_cursor=following)


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={200: {"description": "A line of JSON for each entry, newest first", "content": {_LINES: {}}}},
)
async def export_audit(search: SearchDep, administration: AdministrationDep) -> StreamingResponse:
    """All of it, as lines of JSON."""
    headers = {"Content-Disposition": 'attachment; filename="milepost-audit.ndjson"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(administration, search), media_type=_LINES, headers=headers)


async def _lines(administration: Administration, search: AuditSearch) -> AsyncGenerator[str]:
    async with aclosing(administration.whole_audit(search)) as entries:
        async for entry in entries:
            yield f"{_entry(entry).model_dump_json()}\n"


def _entry(entry: AuditEntry) -> AuditEntryOut:
    return AuditEntryOut.model_validate(entry, from_attributes=True)
