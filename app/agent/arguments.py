"""What a model is told when the arguments of its call do not fit the tool: which, what is wrong with each, and what is wanted.

None of their values is repeated: one may be a secret, and the model knows what it has said.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import ToolInvocationError
from pydantic_core import ErrorDetails

from app.text import quoted

_MOST_FAULTS: Final = 10
_LONGEST: Final = 500


def why_unfit(error: ToolInvocationError, tool: BaseTool | None) -> str | None:
    """None when it is no fault of the model's: the tool itself has read something that did not fit."""
    if not tool or error.source.title != _title(tool):
        return None
    faults = [*(error.filtered_errors or ()), *_of_all_together(error)]
    if not faults:
        return None
    lines = [_line(fault, tool.args) for fault in faults[:_MOST_FAULTS]]
    taken = f"{tool.name} takes {', '.join(tool.args)}." if tool.args else f"{tool.name} takes no arguments."
    return "\n".join(["The call was not made, for its arguments do not fit:", *lines, taken])


def _title(tool: BaseTool) -> str | None:
    """What pydantic calls the schema in its errors; another library's error has the name of something else."""
    schema = tool.args_schema
    return (schema.model_config.get("title") or schema.__name__) if isinstance(schema, type) and hasattr(schema, "model_config") else None


def _of_all_together(error: ToolInvocationError) -> Sequence[ErrorDetails]:
    """Faults that belong to no single argument, which LangGraph leaves out."""
    return [fault for fault in error.source.errors(include_url=False, include_input=False) if not fault["loc"]]


def _line(fault: ErrorDetails, args: Mapping[str, Any]) -> str:
    place = ".".join(map(str, fault["loc"])) or "all together"
    line = f"- {place[:_LONGEST]}: {fault['msg'][:_LONGEST]}"
    wanted = args.get(str(fault["loc"][0])) if fault["loc"] else None
    return f"{line}. Wanted: {_told(wanted)}" if wanted else line


def _told(wanted: Mapping[str, Any]) -> str:
    """A part of a JSON schema, without the title that pydantic makes of the name."""
    return quoted({name: value for name, value in wanted.items() if name != "title"})[:_LONGEST]
