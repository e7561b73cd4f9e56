"""What an endpoint may ask for; whatever deserves a status is found out here, before the first byte."""

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from app.accounts.administration import Administration
from app.accounts.erasure import Erasure
from app.accounts.exports import Exports
from app.accounts.rates import Rates
from app.accounts.users import Users
from app.api.health import Health
from app.api.limits.charging import charge
from app.errors import NotAuthenticated, SessionNotFound
from app.llm.models import Models
from app.persistence.values import Session, User
from app.runs.attachments import Attachments
from app.runs.catalog import Catalog
from app.runs.feedback import Feedback
from app.runs.ledger import Ledger
from app.runs.memories import Memories
from app.runs.past import Past
from app.runs.questions import Questions
from app.runs.quotas import Quotas
from app.runs.service import Runs
from app.runs.sessions import Sessions
from app.runs.tail import Tails
from app.settings import RetentionSettings, ServerSettings, Tier


class State(TypedDict):
    """What `main` puts into every request's state."""

    users: Users
    administration: Administration
    catalog: Catalog
    sessions: Sessions
    attachments: Attachments
    runs: Runs
    questions: Questions
    past: Past
    ledger: Ledger
    feedback: Feedback
    exports: Exports
    erasure: Erasure
    memories: Memories
    tails: Tails
    models: Models
    health: Health
    retention: RetentionSettings
    server: ServerSettings
    rates: Rates
    quotas: Quotas


_token = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/login", auto_error=False)


def _from_state(name: str) -> Any:  # noqa: ANN401  # the alias that uses it gives the type
    # Async, for FastAPI would send a plain function to a thread.
    async def read(request: Request) -> object:
        return getattr(request.state, name)

    return Depends(read)


UsersDep = Annotated[Users, _from_state("users")]
CatalogDep = Annotated[Catalog, _from_state("catalog")]
AdministrationDep = Annotated[Administration, _from_state("administration")]
SessionsDep = Annotated[Sessions, _from_state("sessions")]
AttachmentsDep = Annotated[Attachments, _from_state("attachments")]
RunsDep = Annotated[Runs, _from_state("runs")]
QuestionsDep = Annotated[Questions, _from_state("questions")]
PastDep = Annotated[Past, _from_state("past")]
LedgerDep = Annotated[Ledger, _from_state("ledger")]
FeedbackDep = Annotated[Feedback, _from_state("feedback")]
ExportsDep = Annotated[Exports, _from_state("exports")]
ErasureDep = Annotated[Erasure, _from_state("erasure")]
MemoriesDep = Annotated[Memories, _from_state("memories")]
TailsDep = Annotated[Tails, _from_state("tails")]
ModelsDep = Annotated[Models, _from_state("models")]
QuotasDep = Annotated[Quotas, _from_state("quotas")]
RetentionDep = Annotated[RetentionSettings, _from_state("retention")]
ServerDep = Annotated[ServerSettings, _from_state("server")]


async def _current_user(request: Request, token: Annotated[str | None, Depends(_token)], users: UsersDep) -> User:
    if token is None:
        raise NotAuthenticated
    user = await users.authenticate(token)
    await charge(request.scope, user)
    return user


CurrentUser = Annotated[User, Depends(_current_user)]


async def _current_tier(user: CurrentUser, quotas: QuotasDep) -> Tier:
    return quotas.tier(user)


CurrentTier = Annotated[Tier, Depends(_current_tier)]


@dataclass(frozen=True, slots=True)
class Own:
    """Somebody's session, and who they are."""

    user: User
    session: Session


async def _good_token(token: Annotated[str | None, Depends(_token)], users: UsersDep) -> str:
    """On its own, so that who is nobody hears that before anything about an id."""
    if token is None:
        raise NotAuthenticated
    users.credential_of(token)
    return token


async def _own(
    request: Request, session_id: UUID, token: Annotated[str, Depends(_good_token)], users: UsersDep, sessions: SessionsDep
) -> Own:
    """404, never 403, for another's session: nothing tells that it exists."""
    if found := await sessions.find_with_owner(users.credential_of(token), session_id):
        own = Own(*found)
        await charge(request.scope, own.user)
        return own
    await charge(request.scope, await users.authenticate(token))
    raise SessionNotFound


OwnDep = Annotated[Own, Depends(_own)]


async def _own_session(own: OwnDep) -> Session:
    return own.session


OwnSession = Annotated[Session, Depends(_own_session)]
