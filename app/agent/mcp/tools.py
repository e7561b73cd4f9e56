"""Tools of an MCP server as the agents' own: named, bounded and marked as the file says. What strangers write of them is data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, cast

import orjson
import structlog
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.interceptors import MCPToolCallRequest, MCPToolCallResult
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import ClientSession, types

from app.agent.marks import needs_approval, once_only, takes
from app.agent.mcp.file import McpServer, ToolRule
from app.agent.mcp.line import Line
from app.agent.mcp.words import in_words
from app.llm.characters import whole

MAX_NAME_LENGTH: Final = 64  # of OpenAI's and Anthropic's
_MAX_TOOLS: Final = 100
_MAX_DESCRIPTION_LENGTH: Final = 1_000
_MAX_SCHEMA_BYTES: Final = 10_000
_MAX_DEPTH: Final = 20
_MAX_PARTS: Final = 5_000
# As Anthropic wants them; with one that is otherwise it refuses the whole request.
_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST_LENGTH: Final = 8
# LangChain hands arguments of these names something of its own, in the place of what the model says: verified, and without a word.
_LANGCHAINS: Final = frozenset({"self", "config", "run_manager", "runtime"})

log = structlog.get_logger()


def tools_of(line: Line, listed: Sequence[types.Tool]) -> list[BaseTool]:
    """Those of the listed that the file allows and that can be described to a model."""
    server = line.server
    allowed = [(tool, rule) for tool in listed if (rule := server.rule(tool.name))]
    if missing := {rule.name for rule in server.tools} - {tool.name for tool in listed}:
        log.warning("mcp_tools_missing", server=server.name, tools=sorted(missing))
    usable = [(tool, rule) for tool, rule in allowed if _is_sound(tool.inputSchema)][:_MAX_TOOLS]
    if len(usable) < len(allowed):
        log.warning("mcp_tools_left_out", server=server.name, count=len(allowed) - len(usable))
    tools = {name: _tool(line, tool, rule, name) for tool, rule in usable if (name := shown_name(server.name, tool.name))}
    return [*tools.values()]


def shown_name(server: str, tool: str) -> str:
    """A name that every provider takes; one that had to be changed has a digest of the true one at its end, so that no two meet."""
    name = f"{server}_{tool}"
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if plain == name and len(name) <= MAX_NAME_LENGTH:
        return name
    return f"{plain[: MAX_NAME_LENGTH - _DIGEST_LENGTH - 1]}_{sha256(tool.encode()).hexdigest()[:_DIGEST_LENGTH]}"


def _tool(line: Line, listed: types.Tool, rule: ToolRule, name: str) -> BaseTool:
    schema, renamed = _without_langchains(listed.inputSchema)

    async def answered(request: MCPToolCallRequest, handler: Any) -> MCPToolCallResult:  # noqa: ANN401  # the adapter's own
        arguments = {renamed.get(name, name): value for name, value in request.args.items()}
        result = cast("types.CallToolResult", await handler(request.override(args=arguments)))
        if result.isError:
            raise ToolException(in_words(result))
        return ToolMessage(in_words(result), name=name, tool_call_id=getattr(request.runtime, "tool_call_id", None) or "")

    converted = convert_mcp_tool_to_langchain_tool(
        cast("ClientSession", line), listed, tool_interceptors=[answered], handle_tool_errors=False
    )
    # Without the metadata that the server gives: what marks mean is said by the file alone.
    described = {"name": name, "description": _description(line.server.name, listed), "args_schema": schema, "metadata": {}}
    return _marked(converted.model_copy(update=described), line.server, rule)


def _marked(tool: BaseTool, server: McpServer, rule: ToolRule) -> BaseTool:
    if server.needs_approval(rule):
        tool = needs_approval(tool)
    if rule.once_only:
        tool = once_only(tool)
    return takes(tool, server.timeout_seconds) if server.timeout_seconds else tool


def _description(server: str, listed: types.Tool) -> str:
    text = whole(listed.description or listed.title or listed.name)
    text = text if len(text) <= _MAX_DESCRIPTION_LENGTH else f"{text[:_MAX_DESCRIPTION_LENGTH]}…"
    return f"From {server}: {text}"


def _is_sound(schema: Mapping[str, Any]) -> bool:
    """An object's that a model can be shown, small, not deep, and with no part that is elsewhere or nowhere.

    One that is not would fail in every turn of the agent, whatever it is about.
    """
    if schema.get("type", "object") != "object" or not _names_are_sound(schema):
        return False
    for count, (name, value, depth) in enumerate(_parts(schema)):
        if count > _MAX_PARTS or depth > _MAX_DEPTH or (name == "$ref" and not str(value).startswith("#")):
            return False
    try:
        small = len(orjson.dumps(schema)) <= _MAX_SCHEMA_BYTES
        convert_to_openai_tool(StructuredTool(name="tool", description="", args_schema={"properties": {}, **schema}))
    except (orjson.JSONEncodeError, ValueError, TypeError, KeyError, RecursionError):
        return False
    return small


def _names_are_sound(schema: Mapping[str, Any]) -> bool:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return False
    return all(map(_ARGUMENT.fullmatch, properties)) and all(isinstance(name, str) for name in required)


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[object, object, int]]:
    """Every name with its value and its depth, to one level deeper than is allowed.

    In the place of a reference stands what it means, as LangChain puts it there: a few lines can stand for gigabytes.
    """
    waiting: list[tuple[object, int, frozenset[str]]] = [(schema, 0, frozenset())]
    while waiting:
        value, depth, within = waiting.pop()
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, inner in pairs:
            yield name, inner, depth + 1
            if depth <= _MAX_DEPTH:
                waiting.append((inner, depth + 1, within))
            if name == "$ref" and isinstance(inner, str) and inner not in within:
                waiting.append((_meant(schema, inner), depth, within | {inner}))


def _meant(schema: object, reference: str) -> object:
    for name in reference.split("/")[1:]:
        schema = schema.get(name) if isinstance(schema, dict) else None
    return schema


def _without_langchains(given: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The schema as the model sees it, and the true name of each argument that has another there."""
    properties: Mapping[str, Any] = given.get("properties", {})
    shown = {name: f"{name}_" for name in properties if name in _LANGCHAINS}
    schema = {
        **given,
        "type": "object",
        "properties": {shown.get(name, name): value for name, value in properties.items()},
        "required": [shown.get(name, name) for name in given.get("required", ())],
    }
    return schema, {other: name for name, other in shown.items()}
