"""API keys: what programs speak with in the place of their user."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.api.deps import AccessDep, ActorDep, CallerDep, CurrentUser, OriginDep, UsersDep
from app.api.errors import problems
from app.api.v1.api_key_schemas import ApiKeyList, ApiKeyOut, MadeApiKey, NewApiKeyIn
from app.errors import ApiKeyNotFound, LoginTooOld, ScopeMissing, ServerBusy, TooManyApiKeys, TooManyAttempts, WrongPassword
from app.persistence.api_keys import ApiKey

router = APIRouter()


async def _confirmed(new: NewApiKeyIn, caller: CallerDep, users: UsersDep, origin: OriginDep) -> NewApiKeyIn:
    """A key outlives the login: who has no more than a stolen token must not make themselves one."""
    await users.confirm_later(caller, new.password, origin)
    return new


ConfirmedKey = Annotated[NewApiKeyIn, Depends(_confirmed)]
_refusals = problems(ScopeMissing, LoginTooOld, WrongPassword, TooManyAttempts, ServerBusy, TooManyApiKeys)


@router.post("", status_code=201, responses=_refusals)
async def make_api_key(new: ConfirmedKey, caller: CallerDep, actor: ActorDep, access: AccessDep) -> MadeApiKey:
    """Make a key. It is shown this once: what is kept is its hash. Ten minutes after logging in it takes the password, too."""
    key, secret = await access.keys.make(caller, new.name, {*new.scopes}, new.expires_at, actor)
    return MadeApiKey(**_told(key).model_dump(), key=secret)


@router.get("")
async def list_api_keys(user: CurrentUser, access: AccessDep) -> ApiKeyList:
    """One's keys, newest first, those that have expired too."""
    return ApiKeyList(items=[_told(key) for key in await access.keys.of_user(user.id)])


@router.delete("/{key_id}", status_code=204, responses=problems(ApiKeyNotFound))
async def revoke_api_key(key_id: UUID, user: CurrentUser, actor: ActorDep, access: AccessDep) -> None:
    """Delete it: it is refused from the next request on."""
    await access.keys.revoke(user.id, key_id, actor)


def _told(key: ApiKey) -> ApiKeyOut:
    return ApiKeyOut(
        id=key.id,
        name=key.name,
        start=key.start,
        scopes=sorted(key.scopes),
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        created_at=key.created_at,
    )
