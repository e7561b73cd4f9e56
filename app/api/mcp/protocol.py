"""Agents as MCP tools, by the official SDK; imported with the first request, for it takes a second."""

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import structlog
from anyio.abc import TaskStatus
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app import VERSION
from app.agent.spec import Agent
from app.api.deps import State
from app.api.errors import tell_limit
from app.api.mcp.asking import AskIn, Heard, SaidOut, answer, begin, tool_name
from app.crashes import log_crash
from app.errors import AppError
from app.runs.answer import Answer

if TYPE_CHECKING:
    from app.api.mcp.endpoint import Caller, McpEndpoint

_INSTRUCTIONS: Final = (
    "Each tool asks an agent, which answers in words and keeps the conversation: pass the session_id of an answer to go on with it."
)
_PROGRESS_SECONDS: Final = 1
_WAITS: Final = "The agent waits for a person to answer a question of its own, which cannot be answered here: open the session on the page."

log = structlog.get_logger()


class Protocol:
    def __init__(self, endpoint: "McpEndpoint") -> None:
        self._endpoint = endpoint
        self._server: Server[object, Any] = Server("milepost", version=VERSION, instructions=_INSTRUCTIONS)
        # Their decorators answer with an exception's own words.
        self._server.request_handlers[types.ListToolsRequest] = self._list
        self._server.request_handlers[types.CallToolRequest] = self._call

    async def answer(self, caller: "Caller", connection: tuple[Scope, Receive, Send]) -> None:
        """One POST. A hang-up ends its answer, and not the run."""
        scope, receive, send = connection
        scope["milepost_caller"] = caller
        transport = StreamableHTTPServerTransport(mcp_session_id=None)

        async def speak(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            async with transport.connect() as streams:
                task_status.started()
                await self._server.run(*streams, self._server.create_initialization_options(), stateless=True)

        async with anyio.create_task_group() as tasks:
            await tasks.start(speak)
            try:
                await transport.handle_request(scope, receive, send)
            finally:
                with anyio.CancelScope(shield=True):
                    await transport.terminate()

    async def _list(self, _: types.ListToolsRequest) -> types.ServerResult:
        return types.ServerResult(types.ListToolsResult(tools=[_tool(agent) for agent in self._state()["catalog"]]))

    async def _call(self, request: types.CallToolRequest) -> types.ServerResult:
        try:
            result = await self._asked(request.params.name, request.params.arguments or {})
        except AppError as error:
            result = _refused(error)
        except Exception as error:  # noqa: BLE001  # the boundary: the SDK would tell the client the exception's own words
            log_crash("mcp_call_crashed", error)
            result = _refused(AppError())
        return types.ServerResult(result)

    async def _asked(self, tool: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        state, context = self._state(), self._server.request_context
        caller = cast("Caller", self._scope()["milepost_caller"])
        asked = await begin(state, caller.user, tool, arguments)
        with self._endpoint.running(caller, context.request_id, asked.run_id), caller.guest as guest:
            return _said(await guest.hear(answer(state, asked, self._progress())))

    def _progress(self) -> Heard:
        """Tell a client that asked for it how long the answer has become, once a second at the most."""
        context, told = self._server.request_context, monotonic()
        token = context.meta.progressToken if context.meta else None

        async def heard(so_far: Answer) -> None:
            nonlocal told
            if token is not None and monotonic() - told >= _PROGRESS_SECONDS:
                told = monotonic()
                length = sum(map(len, so_far.content))
                await context.session.send_progress_notification(token, length, related_request_id=str(context.request_id))

        return heard

    def _state(self) -> State:
        return cast("State", self._scope()["state"])

    def _scope(self) -> Scope:
        return cast("Request", self._server.request_context.request).scope


def _tool(agent: Agent) -> types.Tool:
    return types.Tool(
        name=tool_name(agent.name),
        title=agent.name.replace("_", " ").capitalize(),
        description=f"{agent.description} Pass session_id to go on with a conversation.",
        inputSchema=AskIn.model_json_schema(),
        outputSchema=SaidOut.model_json_schema(),
        annotations=types.ToolAnnotations(readOnlyHint=False, openWorldHint=True),
    )


def _said(said: SaidOut) -> types.CallToolResult:
    """In words too, for a client that reads no structure."""
    words = [said.answer, _WAITS if said.questions else "", f"[session_id: {said.session_id}]"]
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text) for text in words if text]
    return types.CallToolResult(content=content, structuredContent=said.model_dump(mode="json"))


def _refused(error: AppError) -> types.CallToolResult:
    """An error of the tool's, which a model can read, with the code to program against."""
    tell_limit(error)
    structure = {"code": error.code, "detail": error.detail, "retryable": error.retryable, **error.extra}
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=f"{error.code}: {error.detail}")], structuredContent=structure, isError=True
    )
