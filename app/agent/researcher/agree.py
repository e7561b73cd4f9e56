"""Show the user the plan, and search nothing before they agree, be it days later."""

from typing import Any, Final

from langgraph.types import interrupt

from app.agent.approval import EXPIRED
from app.agent.researcher.config import MOST_WORKERS
from app.agent.researcher.plan import tidied
from app.agent.researcher.state import Finding, ResearcherState, ResearcherUpdate
from app.agent.tools.web_search import MAX_QUERY_LENGTH

_QUESTIONS: Final = {"type": "array", "maxItems": MOST_WORKERS, "items": {"type": "string", "maxLength": MAX_QUERY_LENGTH}}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "questions": _QUESTIONS},
    "required": ["approved"],
    "additionalProperties": False,
}
_MESSAGE: Final = "May this be searched for on the web?"
_REFUSED: Final = "The user did not want this researched."
_NOT_ANSWERED: Final = "Nobody answered in time whether this may be researched."


async def agree(state: ResearcherState) -> ResearcherUpdate:
    """A yes may bring other questions; after a no, the writer is told what was not researched."""
    questions = state.get("questions", [])
    answer = interrupt({"kind": "plan", "message": _MESSAGE, "questions": questions}, response_schema=_SCHEMA)
    if answer != EXPIRED and answer["approved"]:
        return {"questions": tidied(answer.get("questions", questions))}
    why = _NOT_ANSWERED if answer == EXPIRED else _REFUSED
    return {"questions": [], "findings": [Finding(namespace="", question=one, sources=[], notes=[], failure=why) for one in questions]}
