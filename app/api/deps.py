"""What an endpoint may ask for; whatever deserves a status is found out here, before the first byte."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypedDict
from uuid import UUID

from fastapi import Depends, Request

from app.access import Access
from app.accounts.administration import Administration
from app.accounts.erasure import Erasure
from app.accounts.exports import Exports
from app.accounts.logins import Logins
from app.accounts.presence import Presence
from app.accounts.rates import Rates
from app.accounts.recovery import Recovery
from app.accounts.users import Users
from app.api.health import Health
from app.api.limits.charging import charge
from app.api.metrics import Exposition
from app.api.proof import admitted, proof_of
from app.errors import SessionNotFound
from app.llm.models import Models
from app.persistence.accounts import Origin, User
from app.persistence.audit import Actor
from app.persistence.credentials import Caller, Proof
from app.persistence.values import Session
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
from app.runs.webhooks import Webhooks
from app.settings import RetentionSettings, ServerSettings, Tier

_LONGEST_ADDRESS: Final = 64
_LONGEST_AGENT: Final = 200


class State(TypedDict):
    """What `main` puts into every request's state."""

    users: Users
    logins: Logins
    recovery: Recovery
    presence: Presence
    administration: Administration
    access: Access
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
    webhooks: Webhooks
    tails: Tails
    models: Models
    health: Health
    metrics: Exposition
    retention: RetentionSettings
    server: ServerSettings
    rates: Rates
    quotas: Quotas


def _from_state(name: str) -> Any:  # noqa: ANN401  # the alias that uses it gives the type
    # Async, for FastAPI would send a plain function to a thread.
    async def read(request: Request) -> object:
        return getattr(request.state, name)

    return Depends(read)


UsersDep = Annotated[Users, _from_state("users")]
LoginsDep = Annotated[Logins, _from_state("logins")]
RecoveryDep = Annotated[Recovery, _from_state("recovery")]
AccessDep = Annotated[Access, _from_state("access")]
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
WebhooksDep = Annotated[Webhooks, _from_state("webhooks")]
TailsDep = Annotated[Tails, _from_state("tails")]
ModelsDep = Annotated[Models, _from_state("models")]
QuotasDep = Annotated[Quotas, _from_state("quotas")]
RetentionDep = Annotated[RetentionSettings, _from_state("retention")]
ServerDep = Annotated[ServerSettings, _from_state("server")]


async def _proof(request: Request) -> Proof:
    """On its own, so that who is nobody hears that before anything about an id."""
    return proof_of(request.scope)


ProofDep = Annotated[Proof, Depends(_proof)]


async def _caller(request: Request, proof: ProofDep, users: UsersDep) -> Caller:
    caller = await users.authenticate(proof)
    await charge(request.scope, caller.user)
    return admitted(request.scope, caller)


CallerDep = Annotated[Caller, Depends(_caller)]


async def _current_user(caller: CallerDep) -> User:
    return caller.user


CurrentUser = Annotated[User, Depends(_current_user)]


async def _origin(request: Request) -> Origin:
    """Who is in front of us, and whom we believe to say for whom they ask, is the web server's to know."""
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Origin(address=request.client.host[:_LONGEST_ADDRESS] if request.client else None, user_agent=agent[:_LONGEST_AGENT] or None)


OriginDep = Annotated[Origin, Depends(_origin)]


async def _actor(user: CurrentUser, origin: OriginDep) -> Actor:
    return Actor(user_id=user.id, address=origin.address)


ActorDep = Annotated[Actor, Depends(_actor)]


async def _current_tier(user: CurrentUser, quotas: QuotasDep) -> Tier:
    return quotas.tier(user)


CurrentTier = Annotated[Tier, Depends(_current_tier)]


@dataclass(frozen=True, slots=True)
class Own:
    """Somebody's session, and who they are and by what."""

    caller: Caller
    session: Session

    @property
    def user(self) -> User:
        return self.caller.user


# FastAPI takes 50 microseconds for each dependency, each time that one asks for it: those of a turn take their parts from the request.
async def _own(session_id: UUID, request: Request, proof: ProofDep) -> Own:
    """404, never 403, for another's session: nothing tells that it exists."""
    users: Users = request.state.users
    sessions: Sessions = request.state.sessions
    if found := await sessions.find_with_owner(proof, session_id):
        caller, session = found
        await charge(request.scope, caller.user)
        return Own(admitted(request.scope, caller), session)
    await _caller(request, proof, users)
    raise SessionNotFound


OwnDep = Annotated[Own, Depends(_own)]


async def _own_session(own: OwnDep) -> Session:
    return own.session


OwnSession = Annotated[Session, Depends(_own_session)]
