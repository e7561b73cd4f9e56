"""Look at the answer that was given, and have it written once more where that matters."""

from typing import Final

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from pydantic import BaseModel

from app.agent.json_answers import read_answer
from app.agent.prompts import prompt_text, quoted
from app.agent.researcher.asking import NO_ANSWER, ask_step
from app.agent.researcher.state import ResearcherState, ResearcherUpdate
from app.agent.researcher.telling import REVIEWING, at
from app.agent.researcher.write import notes_of, sources_of
from app.agent.state import AgentContext
from app.errors import ModelBadAnswer
from app.llm.calls import account

_MOST_CHARACTERS: Final = 1_000


class _Review(BaseModel):
    good: bool
    remarks: str = ""


async def critic(state: ResearcherState, runtime: Runtime[AgentContext]) -> ResearcherUpdate:
    """An answer that nobody can review stands as it is."""
    listener = runtime.context.listener
    listener.step(at("critic"), "begun", REVIEWING, {})
    try:
        answer = await ask_step(runtime.context, [SystemMessage(prompt_text("research_critic.md")), HumanMessage(_told(state))])
    except NO_ANSWER as error:
        listener.step(at("critic"), "failed", REVIEWING, {"reason": error.detail})
        return {}
    remarks = _remarks(answer)
    listener.step(at("critic"), "done", REVIEWING, {"good": not remarks})
    return {"remarks": remarks, "accounts": [account(answer)]}


def _told(state: ResearcherState) -> str:
    findings = state.get("findings", [])
    question = next((message.text for message in reversed(state["messages"]) if isinstance(message, HumanMessage)), "")
    notes = notes_of(findings, sources_of(findings))
    parts = {"question": quoted(question), "notes": notes, "answer": quoted(state["messages"][-1].text)}
    return "\n".join(f"<{name}>\n{value}\n</{name}>" for name, value in parts.items())


def _remarks(answer: AIMessage) -> str:
    """Empty for an answer that is good, and for a review that cannot be read."""
    try:
        review = read_answer(_Review, answer.text)
    except ModelBadAnswer:
        return ""
    return "" if review.good else " ".join(review.remarks.split())[:_MOST_CHARACTERS]
