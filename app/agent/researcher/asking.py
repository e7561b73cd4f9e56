"""What all steps of the researcher have in common: how they ask the model, and how they tell what they do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from langchain_core.messages import AIMessage, BaseMessage

from app.agent.prompts import system_prompt
from app.agent.researcher.config import ResearcherConfig
from app.agent.researcher.state import ResearcherState
from app.agent.state import AgentContext
from app.errors import CostLimitReached, ModelError, QuotaExceeded
from app.llm.calls import Purpose

# What may keep a model from answering: it ends no run that has an answer already.
NO_ANSWER: Final = (ModelError, CostLimitReached, QuotaExceeded)

_MAX_TOKENS: Final = 4_000


async def ask_step(context: AgentContext, prompt: Sequence[BaseMessage]) -> AIMessage:
    """A question on the way, which nobody hears the answer to."""
    options = {**(context.options or {}), "max_tokens": _MAX_TOKENS}
    return await context.model.ask(prompt, purpose=Purpose.STEP, options=options)


def config_of(context: AgentContext) -> ResearcherConfig:
    assert isinstance(context.config, ResearcherConfig)  # noqa: S101  # the agent's own type, as `Agent.configured` makes it
    return context.config


def instructions(context: AgentContext, state: ResearcherState, memories: Sequence[str], name: str, more: Mapping[str, str]) -> str:
    return system_prompt(
        now=datetime.now(UTC),
        user_name=context.user_name,
        memories=memories,
        summary=state.get("summary", ""),
        added=context.config.instructions,
        name=name,
        more=more,
    )
