"""API keys: what programs speak with in the place of their user."""

from uuid import UUID

from fastapi import APIRouter

from app.api.deps import AccessDep, ActorDep, CallerDep, CurrentUser
from app.api.errors import problems
from app.api.v1.api_key_schemas import ApiKeyList, ApiKeyOut, MadeApiKey, NewApiKeyIn
from app.errors import ApiKeyNotFound, ScopeMissing, TooManyApiKeys
from app.persistence.api_keys import ApiKey

router = APIRouter()


@router.post("", status_code=201, responses=problems(ScopeMissing, TooManyApiKeys))
async def make_api_key(new: NewApiKeyIn, caller: CallerDep, actor: ActorDep, access: AccessDep) -> MadeApiKey:
    """Make a key. It is shown this once: what is kept is its hash."""
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
