"""Ask an agent for an MCP client, exactly as `POST sessions/{id}/chat` does; knows nothing of MCP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.api.deps import State
from app.api.v1.opening import opened
from app.api.v1.text import MessageText
from app.errors import InvalidInput
from app.persistence.accounts import User
from app.persistence.configured import Held
from app.persistence.values import Session
from app.runs.answer import Answer, whole_answer
from app.runs.asking import Ask

_PREFIX = "ask_"

# Is told of what the answer has come to so far.
type Heard = Callable[[Answer], Awaitable[None]]


class AskIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message: Annotated[MessageText, Field(description="What the agent is asked or told")]
    session_id: Annotated[
        UUID | None, Field(description="Of an answer before, to go on with that conversation; without one a new one begins")
    ] = None


class SaidOut(BaseModel):
    """`status` is completed, or interrupted when the agent waits for a person to answer its `questions`."""

    session_id: str
    run_id: str
    status: str
    answer: str
    questions: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that has begun, in the session that was named or opened for it."""

    session: Session
    run_id: UUID


def tool_name(agent: str) -> str:
    return f"{_PREFIX}{agent}"


async def begin(state: State, user: User, tool: str, arguments: Mapping[str, Any]) -> Asked:
    """Raise UnknownAgent, InvalidInput, SessionNotFound, or what `Runs.start` does; a session that was opened in vain is gone again."""
    agent = tool.removeprefix(_PREFIX) if tool.startswith(_PREFIX) else ""
    asked = _checked(arguments)
    if asked.session_id:
        session = await state["sessions"].read(user.id, asked.session_id)
        if session.agent != agent:
            raise InvalidInput(f"session_id: this conversation is held with {session.agent}; go on with it by {tool_name(session.agent)}.")
        return Asked(session, await state["runs"].start(_ask(user, session, asked.message)))
    async with opened(state["sessions"], user.id, Held(agent=agent)) as session:
        run_id = await state["runs"].start(_ask(user, session, asked.message))
    return Asked(session, run_id)


async def answer(state: State, asked: Asked, heard: Heard) -> SaidOut:
    """Raise the AppError that kept it from being answered."""
    said = await whole_answer(state["tails"], asked.run_id, silence_seconds=state["server"].heartbeat_seconds, heard=heard)
    return SaidOut(
        session_id=str(asked.session.id),
        run_id=str(asked.run_id),
        status=said.end["status"],
        answer="".join(said.content),
        questions=[{"value": question["value"], "expires_at": question["expires_at"]} for question in said.questions],
    )


def _checked(arguments: Mapping[str, Any]) -> AskIn:
    try:
        return AskIn.model_validate(arguments)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise InvalidInput("; ".join(faults)) from error


def _ask(user: User, session: Session, message: str) -> Ask:
    return Ask(user=user, session_id=session.id, text=message, agent=session.agent, config=session.config)
