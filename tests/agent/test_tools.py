"""The tools: what they answer, what they refuse, and that they reach the run's context through a real tools node."""

import socket
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode

from app.agent.config import AgentConfig, Limits
from app.agent.origin import Origin
from app.agent.state import AgentContext, AgentState, StepStatus
from app.agent.tools import TOOLS
from app.agent.tools.calculator import work_out
from app.agent.tools.clock import current_time, describe_time
from app.agent.tools.web_search import describe_results
from app.agent.web import Hit, Web
from app.agent.web.opening import open_web
from app.llm.asking import Asker
from app.llm.calls import ModelCall
from app.llm.demo import DemoModel
from app.settings import ContextSettings, ToolSettings, WebSettings
from tests.fakes import NamesInMemory, StartsInMemory, WebOf, models_of
from tests.ports import held_port

NOON = datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC)


class Unheard:
    """A listener nobody listens through."""

    def remembered(self, memories: Sequence[str]) -> None: ...
    def token(self, content: str) -> None: ...
    def reasoning(self, content: str) -> None: ...
    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any]) -> None: ...
    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool) -> None: ...
    def answer_begins(self) -> None: ...
    def answer_taken_back(self, reason: str) -> None: ...
    def called(self, call: ModelCall) -> None: ...
    def compacted(self, kept_from: str) -> None: ...
    def step(self, origin: Origin, status: StepStatus, title: str, content: Mapping[str, Any]) -> None: ...

    def at(self, origin: Origin) -> "Unheard":  # noqa: ARG002
        return self


def in_own_words(error: ToolException) -> str:
    return str(error)


async def call(*calls: tuple[str, Mapping[str, Any]], web: Web | None = None) -> list[ToolMessage]:
    """Send tool calls through a compiled graph, as the model would."""
    graph = StateGraph(AgentState, context_schema=AgentContext)
    graph.add_node("tools", ToolNode(TOOLS, handle_tool_errors=in_own_words))
    graph.add_edge(START, "tools")
    context = AgentContext(
        user_id="ada",
        user_name="Ada",
        session_id="first",
        model=Asker(models_of(DemoModel()), None, Unheard()),
        memory=None,
        listener=Unheard(),
        tools=ToolSettings(),
        web=web or WebOf(),
        bounds=ContextSettings(),
        starts=StartsInMemory(),
        names=NamesInMemory(),
        agent="assistant",
        config=AgentConfig(),
        limits=Limits(),
    )
    asked = AIMessage(content="", tool_calls=[{"name": name, "args": dict(args), "id": str(n)} for n, (name, args) in enumerate(calls)])
    messages: list[AnyMessage] = [HumanMessage("Please."), asked]
    end = await graph.compile().ainvoke({"messages": messages}, context=context)
    return [message for message in end["messages"] if isinstance(message, ToolMessage)]


@pytest.mark.parametrize(
    ("zone", "answer"),
    [
        ("Europe/Oslo", "It is Wednesday, 1 July 2026, 14:00:05 in Europe/Oslo (UTC+02:00)."),
        ("Oslo", "It is Wednesday, 1 July 2026, 14:00:05 in Europe/Oslo (UTC+02:00)."),
        ("  new   YORK ", "It is Wednesday, 1 July 2026, 08:00:05 in America/New_York (UTC-04:00)."),
        ("new_york", "It is Wednesday, 1 July 2026, 08:00:05 in America/New_York (UTC-04:00)."),
        ("Oslo, Norway", "It is Wednesday, 1 July 2026, 14:00:05 in Europe/Oslo (UTC+02:00)."),
        ("asia/kathmandu", "It is Wednesday, 1 July 2026, 17:45:05 in Asia/Kathmandu (UTC+05:45)."),
        ("Auckland", "It is Thursday, 2 July 2026, 00:00:05 in Pacific/Auckland (UTC+12:00)."),
        ("", "It is Wednesday, 1 July 2026, 12:00:05 in UTC (UTC+00:00)."),
    ],
)
def test_a_zone_or_city_has_its_own_time(zone: str, answer: str) -> None:
    assert describe_time(NOON, zone) == answer


def test_the_clock_follows_the_change_to_winter_time() -> None:
    before, after = datetime(2026, 10, 25, 0, 59, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert "02:59:00 in Europe/Oslo (UTC+02:00)" in describe_time(before, "Oslo")
    assert "02:00:00 in Europe/Oslo (UTC+01:00)" in describe_time(after, "Oslo")


def test_a_misspelt_city_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(ToolException, match=r"Did you mean .*Europe/London"):
        describe_time(NOON, "Londn")


@pytest.mark.parametrize("zone", ["Atlantis the lost", "../../etc/passwd", "/etc/localtime", "Oslo\0", "x" * 100_000, "central"])
def test_a_place_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ToolException, match="There is no time zone or city of this name"):
        describe_time(NOON, zone)


async def test_the_clock_tells_the_time_of_now() -> None:
    answer = await current_time.ainvoke({})
    told = datetime.strptime(answer, "It is %A, %d %B %Y, %H:%M:%S in UTC (UTC+00:00).").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("12*7", "84"),
        ("0.1 + 0.2", "0.3"),
        ("6 / 2", "3"),
        ("7 / 2", "3.5"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("-2 ** 2", "-4"),
        ("2 ** -1", "0.5"),
        ("2^10", "1024"),
        ("3 × 4 ÷ 2 − 1", "5"),  # noqa: RUF001  # signs people type
        ("(1 + 2) * -(3 - 5)", "6"),
        ("sqrt(2) * 3", "4.24264068711929"),
        ("round(2.567, 2) + max(1, 2, 3) - abs(-1)", "4.57"),
        ("log(8, 2) + cos(pi) + log(e)", "3"),
        ("2 ** 200", str(2**200)),
        ("99999999999999999999 * 3", "299999999999999999997"),
        ("1e20", "1e+20"),
        ("0 * -1.0", "0"),
        ("1 ** 10 ** 299", "1"),
        ("+".join(["1"] * 200), "200"),
    ],
)
def test_arithmetic_is_worked_out(expression: str, answer: str) -> None:
    assert work_out(expression) == answer


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("2 ** 10 ** 10", "larger than"),
        ("9 ** 9 ** 9", "larger than"),
        ("10 ** 400", "larger than"),
        ("10 ** 200 * 10 ** 200", "larger than"),
        ("1e999 - 1e999", "larger than"),
        ("exp(1000)", "larger than"),
        ("9" * 400, "larger than"),
        ("round(5, -10 ** 300)", "round takes up to 15 digits"),
        ("1 / 0", "divides by zero"),
        ("5 % (1 - 1)", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("sqrt(-1)", "no answer"),
        ("min()", "no answer"),
        ("(-8) ** 0.5", "not a real number"),
        ("1" * 401, "longer than 400"),
        ("(" * 300 + "1" + ")" * 99, "not an arithmetic expression"),
        ("12 * ", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("1\0", "not an arithmetic expression"),
        ("'1' * 99999999", "Only numbers"),
        ("[1] * 99999999", "Only numbers"),
        ("True + 1", "Only numbers"),
        ("2j", "Only numbers"),
        ("factorial(10 ** 9)", "Only numbers"),
        ("__import__('os').getcwd()", "Only numbers"),
        ("().__class__", "Only numbers"),
        ("(lambda: 1)()", "Only numbers"),
        ("max(1, key=abs)", "Only numbers"),
        ("(x := 3)", "Only numbers"),
    ],
)
@pytest.mark.timeout(10)
def test_what_is_not_a_bounded_sum_is_refused_with_a_reason(expression: str, complaint: str) -> None:
    with pytest.raises(ToolException, match=complaint):
        work_out(expression)


def test_nesting_beyond_the_stack_is_refused_and_does_not_end_the_process() -> None:
    def sink(depth: int) -> str | None:
        if depth:
            return sink(depth - 1)
        with pytest.raises(ToolException, match="too deeply nested"):
            work_out("-" * 399 + "1")
        return "survived"

    assert sink(700) == "survived"


@pytest.fixture
def refusing_proxy(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Send every search to a port of this machine on which nobody listens."""
    with held_port() as port:
        monkeypatch.setenv("DDGS_PROXY", f"http://127.0.0.1:{port.getsockname()[1]}")
        yield


@contextmanager
def silent_proxy(monkeypatch: pytest.MonkeyPatch) -> Generator[list[socket.socket]]:
    """Send every search to a server that takes connections and says nothing until it hangs up at the end; yields who called."""
    callers: list[socket.socket] = []

    def take_calls() -> None:
        try:
            while True:
                callers.append(server.accept()[0])
        except OSError:  # closed below
            for caller in callers:
                caller.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DDGS_PROXY", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread = threading.Thread(target=take_calls)
        thread.start()
        try:
            yield callers
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.usefixtures("refusing_proxy")
async def test_a_search_without_a_network_tells_the_model_to_go_on_without_it() -> None:
    async with open_web(WebSettings()) as web:
        [result] = await call(("web_search", {"query": "Milepost"}), web=web)
    assert result.status == "error"
    assert result.text == "The web search found nothing, or no search engine can be reached."


async def test_a_search_that_hangs_is_given_up_after_the_time_in_the_settings_whatever_the_model_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forged = {"query": "Milepost", "runtime": {"context": {"web": {"settings": {"search_seconds": 60}}}}}
    with silent_proxy(monkeypatch) as callers:
        started = datetime.now(UTC)
        async with open_web(WebSettings(WEB_SEARCH_SECONDS=0.5)) as web:
            [result] = await call(("web_search", forged), web=web)
        assert datetime.now(UTC) - started < timedelta(seconds=2)
        assert callers, "the search never left for the proxy"
    assert result.text == "The web search took too long."


@pytest.mark.usefixtures("refusing_proxy")
@pytest.mark.parametrize("query", ["", " \n", "x" * 301])
async def test_a_query_of_no_or_too_many_characters_is_refused(query: str) -> None:
    [result] = await call(("web_search", {"query": query}))
    assert result.text == "A web search takes 1 to 300 characters."


def test_results_are_numbered_with_title_address_and_excerpt() -> None:
    found = [
        Hit(title="Milepost", url="https://milepost.test/", excerpt="A server."),
        Hit(title="Stone", url="https://stone.test/", excerpt="One\n\n3. Fake\n   of many."),
    ]
    assert describe_results(found) == (
        "1. Milepost\n   https://milepost.test/\n   A server.\n\n2. Stone\n   https://stone.test/\n   One 3. Fake of many."
    )


def test_a_result_without_bounds_is_cut_and_one_without_parts_is_bearable() -> None:
    endless = Hit(title="t" * 10_000, url="h" * 10_000, excerpt="b" * 10_000)
    assert len(describe_results([endless] * 20)) < 20 * 900
    assert describe_results([Hit(title="", url="", excerpt="")]) == "1. \n   \n   "


async def test_tools_answer_side_by_side_each_under_its_own_call() -> None:
    results = await call(("calculate", {"expression": "12*7"}), ("current_time", {"zone": "Oslo"}), ("calculate", {"expression": "1/0"}))
    assert [(result.tool_call_id, result.status) for result in results] == [("0", "success"), ("1", "success"), ("2", "error")]
    assert results[0].text == "84"
    assert "in Europe/Oslo" in results[1].text


def test_the_model_is_shown_each_tool_with_its_purpose_and_only_its_own_arguments() -> None:
    shown = [convert_to_openai_tool(tool)["function"] for tool in TOOLS]
    arguments = {function["name"]: set(function["parameters"]["properties"]) for function in shown}
    ours = {"current_time": {"zone"}, "calculate": {"expression"}, "web_search": {"query"}, "rename_session": {"name"}}
    assert arguments | ours == arguments
    assert not any("runtime" in names for names in arguments.values())
    assert all(len(function["description"]) > 40 for function in shown)
