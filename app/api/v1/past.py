"""Time travel: what the agent knew, step by step, and running on from any of it."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from app.api.deps import OwnDep, OwnSession, PastDep, RunsDep, ServerDep, TailsDep
from app.api.errors import problems
from app.api.v1.chat import ANSWERING, ASKING, STREAM, Key, StartDep, answer_out, tail
from app.api.v1.chat_schemas import AnswerOut
from app.api.v1.past_schemas import CheckpointOut, CheckpointPageOut, CheckpointStateOut, ReplayIn
from app.errors import CheckpointNotFound, SessionNotFound
from app.runs.answer import whole_answer
from app.runs.asking import Ask

router = APIRouter()

_not_found = problems(SessionNotFound)
_no_checkpoint = problems(SessionNotFound, CheckpointNotFound)
Limit = Annotated[int, Query(ge=1, le=100, description="Most items of a page")]


async def _replayed(own: OwnDep, replay: ReplayIn, past: PastDep, start: StartDep, idempotency_key: Key = None) -> UUID:
    return await start(
        Ask(
            user=own.user,
            session_id=own.session.id,
            text=replay.message,
            model=replay.model,
            idempotency_key=idempotency_key,
            place=await past.place(own.session, replay.checkpoint_id, replay.message),
            agent=own.session.agent,
            config=own.session.config,
        )
    )


ReplayedRun = Annotated[UUID, Depends(_replayed)]


@router.get("/checkpoints", responses=_not_found)
async def list_checkpoints(
    session: OwnSession,
    past: PastDep,
    limit: Limit = 20,
    before: Annotated[UUID | None, Query(description="`next_before` of the page before")] = None,
) -> CheckpointPageOut:
    """What is kept of the agent's steps in all branches, newest first; what was pruned is not there."""
    page = await past.page(session, limit=limit, before=before)
    return CheckpointPageOut(items=[CheckpointOut.model_validate(one, from_attributes=True) for one in page.items], next_before=page.next)


@router.get("/checkpoints/{checkpoint_id}", responses=_no_checkpoint)
async def read_checkpoint(session: OwnSession, checkpoint_id: UUID, past: PastDep) -> CheckpointStateOut:
    """All that the agent knew there."""
    state = await past.state(session, checkpoint_id)
    return CheckpointStateOut.model_validate(
        asdict(state.checkpoint) | {"messages": state.messages, "summary": state.summary, "values": state.values}
    )


@router.post("/replay", responses=ASKING | ANSWERING | _no_checkpoint)
async def replay(run_id: ReplayedRun, tails: TailsDep, server: ServerDep) -> AnswerOut:
    """Run on from a checkpoint, as another branch: with a message where a run has ended, else by making its remaining steps anew."""
    return answer_out(await whole_answer(tails, run_id, silence_seconds=server.heartbeat_seconds))


@router.post("/replay/stream", **STREAM | {"responses": ASKING | _no_checkpoint | STREAM["responses"]})
async def replay_stream(run_id: ReplayedRun, replay: ReplayIn, runs: RunsDep, tails: TailsDep, server: ServerDep) -> StreamingResponse:
    """The same as a stream."""
    return tail(run_id, replay.on_disconnect, runs, tails, server)
