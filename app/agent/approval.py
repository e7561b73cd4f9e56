"""Questions to people about a call of a tool, and what the model is told when it is not made."""

from typing import Any, Final, Literal, TypedDict, cast

from langchain_core.messages import ToolCall
from langgraph.types import interrupt

# What a question is answered with when nobody has answered it in time; the API takes it from nobody.
EXPIRED: Final = "__expired__"

_SCHEMA: Final = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string", "maxLength": 2000}},
    "required": ["approved"],
    "additionalProperties": False,
}
_NOT_ANSWERED: Final = "Nobody answered in time whether this call may be made, so it was not made."
WITHDRAWN: Final = "The user went on without answering whether this call may be made, so it was not made."


class ApprovalQuestion(TypedDict):
    """What the interrupt holds: the call that is asked about."""

    kind: Literal["approval"]
    call_id: str
    tool: str
    args: dict[str, Any]


def refusal(call: ToolCall) -> str | None:
    """Ask the user whether the call may be made, be it days until they answer; why it may not, None when it may."""
    question = ApprovalQuestion(kind="approval", call_id=call["id"] or "", tool=call["name"], args=call["args"])
    answer = interrupt(question, response_schema=_SCHEMA)
    if answer == EXPIRED:
        return _NOT_ANSWERED
    if answer["approved"]:
        return None
    comment = answer.get("comment")
    return f"The user refused this call, and said: {comment}" if comment else "The user refused this call."


def asked_call(value: object) -> ApprovalQuestion | None:
    """The call that an interrupt asks about; None when it asks something else."""
    return cast("ApprovalQuestion", value) if isinstance(value, dict) and value.get("kind") == "approval" and "call_id" in value else None
