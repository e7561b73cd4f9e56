"""LangChain's callbacks of one attempt at a run: the graph's nodes and the calls of tools become spans."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp

from app.errors import AppError
from app.observability.traces.span import Kind, Span

_TOOL_ERROR: Final = "tool_error"


class Pen(Protocol):
    """Writes spans of one run."""

    @property
    def root(self) -> Span: ...
    def open(self, name: str, kind: Kind, parent: Span, asked: object = None) -> Span: ...
    def close(self, span: Span, error: str = "", answered: object = None) -> None: ...


class GraphHandler(BaseCallbackHandler):
    """Told on the event loop, for LangChain would else take a thread for each thing it tells.

    Models are left out: who asks them tells more of it (tries, prices, first tokens), and a model that nobody listens to takes a way that
    costs less for each token.
    """

    run_inline = True

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._open: dict[UUID, Span] = {}
        # Of whatever LangChain runs, the span that it is in.
        self._places: dict[UUID, Span] = {}

    @property
    def ignore_llm(self) -> bool:
        return True

    @property
    def ignore_chat_model(self) -> bool:
        return True

    @property
    def ignore_retriever(self) -> bool:
        return True

    @property
    def ignore_custom_event(self) -> bool:
        return True

    def place(self, run_id: UUID | None) -> Span:
        """The span that what LangChain calls this run is in."""
        return self._places.get(run_id, self._pen.root) if run_id else self._pen.root

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,  # noqa: ARG002  # LangChain's names, here and below
        inputs: dict[str, Any],  # noqa: ARG002  # the whole state, again and again
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,  # noqa: ARG002
        metadata: Mapping[str, Any] | None = None,
        **more: Any,  # noqa: ANN401
    ) -> None:
        """Of all that a graph runs, its nodes: the routes between them say nothing."""
        parent, name = self.place(parent_run_id), more.get("name")
        if name and parent_run_id and metadata and metadata.get("langgraph_node") == name:
            self._open[run_id] = parent = self._pen.open(name, Kind.NODE, parent)
        self._places[run_id] = parent

    def on_chain_end(self, outputs: dict[str, Any], *, run_id: UUID, **_: Any) -> None:  # noqa: ANN401, ARG002
        self._end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ANN401
        self._end(run_id, _code_of(error))

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **_: Any,  # noqa: ANN401
    ) -> None:
        name = str((serialized or {}).get("name") or "tool")
        asked = inputs if inputs is not None else input_str
        self._open[run_id] = self._places[run_id] = self._pen.open(name, Kind.TOOL, self.place(parent_run_id), asked)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:  # noqa: ANN401
        failed = isinstance(output, ToolMessage) and output.status == "error"
        self._end(run_id, _TOOL_ERROR if failed else "", output)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ANN401
        self._end(run_id, _code_of(error))

    def _end(self, run_id: UUID, error: str = "", answered: object = None) -> None:
        self._places.pop(run_id, None)
        if span := self._open.pop(run_id, None):
            self._pen.close(span, error, answered)


def _code_of(error: BaseException) -> str:
    """Its code if it is ours, or its kind: never its words, nor what others call a code. That a graph asks a person is no error."""
    match error:
        case AppError():
            return error.code
        case GraphBubbleUp():
            return ""
        case ToolException():  # which has words for the model
            return _TOOL_ERROR
        case asyncio.CancelledError():
            return "cancelled"
    return type(error).__name__
