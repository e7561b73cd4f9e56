"""Split what the user wants to know into questions for the workers."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from pydantic import BaseModel

from app.agent.json_answers import read_answer
from app.agent.nodes.recall import recalled
from app.agent.researcher.asking import ask_step, config_of, instructions
from app.agent.researcher.state import ResearcherState, ResearcherUpdate
from app.agent.researcher.telling import PLANNING, at, tell_plan
from app.agent.state import AgentContext
from app.agent.tools.web_search import MAX_QUERY_LENGTH, web_search
from app.errors import ModelBadAnswer
from app.llm.calls import account


class _Plan(BaseModel):
    questions: list[str]


async def plan(state: ResearcherState, runtime: Runtime[AgentContext]) -> ResearcherUpdate:
    context = runtime.context
    if kept_from := state.get("kept_from"):
        context.listener.compacted(kept_from)
    memories = await recalled(context, state["messages"])
    update = ResearcherUpdate(memories=memories, planned_for=state["messages"][-1].id or "", findings=Overwrite([]), cited=[], remarks="")
    if context.why_no_tool(web_search.name):
        return {**update, "questions": [], "accounts": Overwrite([])}
    context.listener.step(at("plan"), "begun", PLANNING, {})
    most = config_of(context).workers
    prompt = SystemMessage(instructions(context, state, memories, "research_plan.md", {"most": str(most)}))
    answer = await ask_step(context, [prompt, *state["messages"]])
    questions = _questions(answer, state)[:most]
    tell_plan(context.listener, questions)
    return {**update, "questions": questions, "accounts": Overwrite([account(answer)])}


def _questions(answer: AIMessage, state: ResearcherState) -> list[str]:
    """The model's, or the user's own words where it has not given them as it was told."""
    try:
        given = read_answer(_Plan, answer.text).questions
    except ModelBadAnswer:
        given = [next((message.text for message in reversed(state["messages"]) if isinstance(message, HumanMessage)), "")]
    return tidied(given)


def tidied(questions: Sequence[str]) -> list[str]:
    """Each once, on one line, and no longer than a search takes."""
    return [*dict.fromkeys(filter(None, (" ".join(question.split())[:MAX_QUERY_LENGTH] for question in questions)))]
