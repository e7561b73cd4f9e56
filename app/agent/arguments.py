"""What a model is told when the arguments of its call do not fit the tool: which, what is wrong with each, and what is wanted.

None of their values is repeated: one may be a secret, and the model knows what it has said.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import ToolInvocationError
from pydantic_core import ErrorDetails

from app.agent.json_schema import errors_of
from app.text import quoted

# Where, and what is wrong there.
type _Fault = tuple[tuple[str | int, ...], str]

_MOST_FAULTS: Final = 10
_LONGEST: Final = 500


def why_unfit(error: ToolInvocationError, tool: BaseTool | None) -> str | None:
    """None when it is no fault of the model's: the tool itself has read something that did not fit."""
    if not tool or error.source.title != _title(tool):
        return None
    faults = [*(error.filtered_errors or ()), *_of_all_together(error)]
    if not faults:
        return None
    return _in_words([(fault["loc"], fault["msg"]) for fault in faults], tool)


def why_unfit_for_schema(args: Mapping[str, Any], tool: BaseTool) -> str | None:
    """The same for a tool whose schema somebody else has written, an MCP server's, before it is sent there.

    None, too, where that cannot be told here: then the server judges.
    """
    if not isinstance(tool.args_schema, dict):
        return None
    errors = errors_of(tool.args_schema, args, _MOST_FAULTS)
    faults = dict.fromkeys(fault for error in errors for fault in _faults(error))
    return _in_words([*faults], tool) if faults else None


def _in_words(faults: Sequence[_Fault], tool: BaseTool) -> str:
    lines = [_line(place, words, tool.args) for place, words in faults[:_MOST_FAULTS]]
    taken = f"{tool.name} takes {', '.join(tool.args)}." if tool.args else f"{tool.name} takes no arguments."
    return "\n".join(["The call was not made, for its arguments do not fit:", *lines, taken])


def _title(tool: BaseTool) -> str | None:
    """What pydantic calls the schema in its errors; another library's error has the name of something else."""
    schema = tool.args_schema
    return (schema.model_config.get("title") or schema.__name__) if isinstance(schema, type) and hasattr(schema, "model_config") else None


def _of_all_together(error: ToolInvocationError) -> Sequence[ErrorDetails]:
    """Faults that belong to no single argument, which LangGraph leaves out."""
    return [fault for fault in error.source.errors(include_url=False, include_input=False) if not fault["loc"]]


def _faults(error: ValidationError) -> Iterator[_Fault]:
    """In words of our own: the library's have the value in them."""
    place = tuple(error.absolute_path)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    match error.validator:
        case "required":
            given = {*error.instance} if isinstance(error.instance, dict) else set[str]()
            yield from (((*place, name), "Field required") for name in schema["required"] if name not in given)
        case "additionalProperties" if schema["additionalProperties"] is False and isinstance(error.instance, dict):
            extra = {*error.instance} - {*schema.get("properties", ())}
            yield from (((*place, name), "Extra inputs are not permitted") for name in sorted(extra))
        case _ if error.schema is False:  # it does not say where
            yield place, "Something in it is not permitted"
        case _:
            yield place, f"Input does not fit its {error.validator}"


def _line(loc: Sequence[str | int], words: str, args: Mapping[str, Any]) -> str:
    place = ".".join(map(str, loc)) or "all together"
    line = f"- {place[:_LONGEST]}: {words[:_LONGEST]}"
    wanted = args.get(str(loc[0])) if loc else None
    return f"{line}. Wanted: {_told(wanted)}" if wanted else line


def _told(wanted: Mapping[str, Any]) -> str:
    """A part of a JSON schema, without the title that pydantic makes of the name."""
    return quoted({name: value for name, value in wanted.items() if name != "title"})[:_LONGEST]
