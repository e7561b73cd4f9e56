"""Show the user the plan, and search nothing before they agree, be it days later."""

from typing import Any, Final

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from app.agent.approval import EXPIRED
from app.agent.researcher.asking import config_of
from app.agent.researcher.plan import tidied
from app.agent.researcher.state import Finding, ResearcherState, ResearcherUpdate
from app.agent.state import AgentContext
from app.agent.tools.web_search import MAX_QUERY_LENGTH

_QUESTION: Final = {"type": "string", "maxLength": MAX_QUERY_LENGTH}
_MESSAGE: Final = "May this be searched for on the web?"
_REFUSED: Final = "The user did not want this researched."
_NOT_ANSWERED: Final = "Nobody answered in time whether this may be researched."


async def agree(state: ResearcherState, runtime: Runtime[AgentContext]) -> ResearcherUpdate:
    """A yes may bring other questions; after a no, the writer is told what was not researched."""
    questions, most = state.get("questions", []), config_of(runtime.context).workers
    answer = interrupt({"kind": "plan", "message": _MESSAGE, "questions": questions}, response_schema=_schema(most))
    if answer != EXPIRED and answer["approved"]:
        return {"questions": tidied(answer.get("questions", questions))[:most]}
    why = _NOT_ANSWERED if answer == EXPIRED else _REFUSED
    return {"questions": [], "findings": [Finding(namespace="", question=one, sources=[], notes=[], failure=why) for one in questions]}


def _schema(most: int) -> dict[str, Any]:
    """No more questions than the session has workers."""
    return {
        "type": "object",
        "properties": {"approved": {"type": "boolean"}, "questions": {"type": "array", "maxItems": most, "items": _QUESTION}},
        "required": ["approved"],
        "additionalProperties": False,
    }
