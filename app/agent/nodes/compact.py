"""Fold the older turns of a conversation into a summary, so that what is kept of it and read to the model stays bounded."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from langchain_core.messages import AnyMessage, RemoveMessage
from langgraph.runtime import Runtime

from app.agent.compaction import Bounds, place_to_cut, window
from app.agent.state import AgentContext, AgentState, AgentUpdate
from app.agent.summary import summarised
from app.errors import AppError
from app.llm.calls import Purpose

_LEFT_OUT: Final = "(Older messages could not be summarised, and are left out here.)"

log = structlog.get_logger()


async def compact(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:
    context, messages = runtime.context, state["messages"]
    cut = place_to_cut(messages, Bounds.of(context.bounds, context.model.spec()))
    before = state.get("summary", "")
    summary = await _summary(context, before, messages[:cut])
    if summary is None:
        if Bounds.last(context.bounds, context.model.spec()).hold(messages):
            return {}  # there is room until the next try
        summary = before if before.endswith(_LEFT_OUT) else f"{before}\n\n{_LEFT_OUT}".strip()
    log.info("conversation_compacted", folded=cut, kept=len(messages) - cut)
    return {
        "messages": [RemoveMessage(id=message.id or "") for message in messages[:cut]],
        "summary": summary,
        "kept_from": messages[cut].id or "",
    }


async def _summary(context: AgentContext, before: str, folded: Sequence[AnyMessage]) -> str | None:
    """None when no model will make it: an answer does not fail for want of a summary."""
    most_tokens = int(context.bounds.share * window(context.bounds, context.model.spec(Purpose.SUMMARY)))
    try:
        async with asyncio.timeout(context.bounds.summary_seconds):
            return await summarised(context.model, before, folded, most_tokens=most_tokens)
    except (AppError, TimeoutError) as error:
        log.warning("conversation_not_summarised", error=error.code if isinstance(error, AppError) else type(error).__name__)
        return None
