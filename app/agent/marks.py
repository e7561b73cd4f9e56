"""What a tool asks of the server that runs it, said with a decorator above `@tool`; and what it raises when it is not there."""

from typing import Final

from langchain_core.tools import BaseTool, ToolException

_NEEDS_APPROVAL: Final = "needs_approval"
_ONCE_ONLY: Final = "once_only"
_SAFE_TO_REPEAT: Final = "safe_to_repeat"
_SECONDS: Final = "timeout_seconds"


class ToolGone(ToolException):
    """What has the tool cannot be reached: words for the model, and a fault for who watches."""


def needs_approval(tool: BaseTool) -> BaseTool:
    """Ask the user before each call, and tell the model when they say no."""
    return _marked(tool, _NEEDS_APPROVAL)


def once_only(tool: BaseTool) -> BaseTool:
    """Never repeat a call that may have been made: when the server dies in it, the model is told that nobody knows."""
    return _marked(tool, _ONCE_ONLY)


def safe_to_repeat(tool: BaseTool) -> BaseTool:
    """Try a call again, within its time, when it fails for no reason of the tool's own: it changes nothing, or the same once more."""
    return _marked(tool, _SAFE_TO_REPEAT)


def takes(tool: BaseTool, seconds: float) -> BaseTool:
    """Give it another time than TOOL_TIMEOUT_SECONDS."""
    return _marked(tool, _SECONDS, seconds)


def is_to_be_approved(tool: BaseTool | None) -> bool:
    return _has(tool, _NEEDS_APPROVAL)


def is_once_only(tool: BaseTool | None) -> bool:
    return _has(tool, _ONCE_ONLY)


def is_safe_to_repeat(tool: BaseTool | None) -> bool:
    return _has(tool, _SAFE_TO_REPEAT)


def seconds_of(tool: BaseTool | None, otherwise: float) -> float:
    """How long a call may take."""
    return float((tool.metadata or {}).get(_SECONDS, otherwise)) if tool else otherwise


def _marked(tool: BaseTool, mark: str, value: bool | float = True) -> BaseTool:
    marks = {**(tool.metadata or {}), mark: value}
    if {_ONCE_ONLY, _SAFE_TO_REPEAT} <= marks.keys():
        raise ValueError(f"{tool.name} is either once_only or safe_to_repeat.")
    return tool.model_copy(update={"metadata": marks})


def _has(tool: BaseTool | None, mark: str) -> bool:
    return bool(tool and (tool.metadata or {}).get(mark))
