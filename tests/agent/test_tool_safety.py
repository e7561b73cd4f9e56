"""What stands between a model and a tool: room, tries, and words about arguments that do not fit."""

import asyncio
import json
from typing import Any, Final

import pytest
import structlog
from langchain_core.tools import BaseTool, StructuredTool, ToolException, tool
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.agent.assistant import ASSISTANT
from app.agent.marks import needs_approval, once_only, safe_to_repeat
from app.agent.state import AgentContext, AgentState
from app.agent.tools import TOOLS
from app.errors import DatabaseUnavailable
from tests.agent.turn import Turn
from tests.fakes import calls, says

CANARY: Final = "canary-in-a-call"


class Flaky:
    """Fails as often as it is told to, and notes when it was called."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "there"


async def told(turn: Turn) -> list[tuple[str, str]]:
    """What the tools answered to the one message that is sent."""
    await turn.takes("Try it.")
    return [(answer.status, answer.text) for answer in turn.answers_of_tools()]


async def test_no_more_calls_are_made_at_once_than_there_is_room_for() -> None:
    at_work, most = 0, 0

    @tool
    async def dig() -> str:
        """Take up room for a moment."""
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1
        return "a hole"

    room = asyncio.Semaphore(2)
    turns = [Turn(calls(*[("dig", "{}")] * 2), says("Dug."), tools=[dig], room=room) for _ in range(3)]
    answers = await asyncio.gather(*map(told, turns))
    assert answers == [[("success", "a hole")] * 2] * 3
    assert most == 2


async def test_a_call_that_finds_no_room_in_its_time_is_not_made_and_the_model_is_told() -> None:
    made = Flaky()

    @tool
    async def dig() -> str:
        """Dig."""
        return made()

    room = asyncio.Semaphore(1)
    turn = Turn(calls(("dig", "{}")), says("Later."), tools=[dig], room=room, tool_seconds=0.1)
    async with room:
        assert await told(turn) == [("error", "The server is busy with other calls, so this one was not made within 0.1 seconds.")]
    assert (made.calls, room.locked()) == (0, False)


async def test_waiting_for_room_takes_of_the_time_of_the_call() -> None:
    begun = asyncio.Event()

    @tool
    async def hang() -> str:
        """Never return."""
        begun.set()
        await asyncio.Event().wait()
        return "never"

    room = asyncio.Semaphore(1)
    turn = Turn(calls(("hang", "{}")), says("Later."), tools=[hang], room=room, tool_seconds=2)
    await room.acquire()
    asking, started = asyncio.create_task(told(turn)), asyncio.get_running_loop().time()
    await asyncio.sleep(1.2)
    room.release()
    assert await asking == [("error", "The tool gave no answer within 2 seconds.")]
    assert begun.is_set()
    assert asyncio.get_running_loop().time() - started < 3, "not another two seconds"


async def test_a_call_that_does_no_harm_is_tried_again_when_it_fails() -> None:
    flaky = Flaky(RuntimeError(CANARY), OSError(CANARY))

    @safe_to_repeat
    @tool
    async def look() -> str:
        """Look there."""
        return flaky()

    turn = Turn(calls(("look", "{}")), says("There."), tools=[look])
    assert await told(turn) == [("success", "there")]
    assert flaky.calls == 3
    assert [heard for heard in turn.listener.heard if heard[0] == "tool_answered"] == [("tool_answered", "call-1", "look", "there", False)]


async def test_a_call_is_tried_three_times_and_then_the_model_is_told_without_its_words() -> None:
    flaky = Flaky(*[RuntimeError(CANARY)] * 9)

    @safe_to_repeat
    @tool
    async def look() -> str:
        """Look there."""
        return flaky()

    with structlog.testing.capture_logs() as logged:
        assert await told(Turn(calls(("look", "{}")), says("Pity."), tools=[look])) == [
            ("error", "The tool failed. Go on without it, or try something else.")
        ]
    assert flaky.calls == 3
    [failed] = [line for line in logged if line["event"] == "tool_failed"]
    assert (failed["tool"], failed["error"]) == ("look", "RuntimeError")
    assert "in look" in "".join(failed["frames"])
    assert CANARY not in str(logged)


async def test_a_call_that_may_do_harm_is_made_once() -> None:
    flaky = Flaky(RuntimeError())

    @tool
    async def pay() -> str:
        """Pay."""
        return flaky()

    [(status, _)] = await told(Turn(calls(("pay", "{}")), says("Pity."), tools=[pay]))
    assert (status, flaky.calls) == ("error", 1)


async def test_what_a_tool_says_itself_is_not_tried_again() -> None:
    flaky = Flaky(ToolException("Ask me on Monday."))

    @safe_to_repeat
    @tool
    async def look() -> str:
        """Look there."""
        return flaky()

    assert await told(Turn(calls(("look", "{}")), says("Monday, then."), tools=[look])) == [("error", "Ask me on Monday.")]
    assert flaky.calls == 1


async def test_an_error_of_the_server_ends_the_turn_and_is_not_tried_again() -> None:
    flaky = Flaky(DatabaseUnavailable())

    @safe_to_repeat
    @tool
    async def look() -> str:
        """Look there."""
        return flaky()

    with pytest.raises(DatabaseUnavailable):
        await Turn(calls(("look", "{}")), tools=[look]).takes("Try it.")
    assert flaky.calls == 1


async def test_the_tries_of_a_call_share_its_time() -> None:
    tries = 0

    @safe_to_repeat
    @tool
    async def look() -> str:
        """Take a while, and fail."""
        nonlocal tries
        tries += 1
        await asyncio.sleep(0.2)
        raise RuntimeError

    assert await told(Turn(calls(("look", "{}")), says("Pity."), tools=[look], tool_seconds=0.3)) == [
        ("error", "The tool gave no answer within 0.3 seconds.")
    ]
    assert tries <= 2


def test_a_tool_is_either_safe_to_repeat_or_made_once() -> None:
    @tool
    async def look() -> str:
        """Look there."""
        return ""

    for first, second in ((once_only, safe_to_repeat), (safe_to_repeat, once_only)):
        with pytest.raises(ValueError, match="look is either"):
            second(first(look))


def test_what_only_reads_from_elsewhere_is_safe_to_repeat() -> None:
    assert {one.name for one in TOOLS if (one.metadata or {}).get("safe_to_repeat")} == {"current_time", "web_search"}


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    item: str
    count: int = Field(1, ge=1, description="How many")

    @model_validator(mode="after")
    def _no_dozen(self) -> "_Order":
        if self.count == 12:
            raise ValueError("a dozen is too many")
        return self


@tool(args_schema=_Order)
async def order(item: str, count: int = 1) -> str:
    """Order something."""
    return f"{count} {item}"


@tool
async def misread() -> str:
    """Read something that does not fit."""
    _Order.model_validate({"item": [CANARY]})
    return "read"


_NAMES: Final = "order takes item, count."
_NO_NUMBER: Final = "Input should be a valid integer, unable to parse string as an integer"
_COUNT: Final = '{"default": 1, "description": "How many", "minimum": 1, "type": "integer"}'


@pytest.mark.parametrize(
    ("args", "faults"),
    [
        ({}, ['- item: Field required. Wanted: {"type": "string"}']),
        (
            {"item": [CANARY], "count": CANARY},
            [
                '- item: Input should be a valid string. Wanted: {"type": "string"}',
                f"- count: {_NO_NUMBER}. Wanted: {_COUNT}",
            ],
        ),
        ({"item": CANARY, "colour": CANARY}, ["- colour: Extra inputs are not permitted"]),
        ({"item": CANARY, "count": 12}, ["- all together: Value error, a dozen is too many"]),
    ],
)
async def test_a_model_is_told_which_arguments_do_not_fit_and_what_is_wanted(args: dict[str, Any], faults: list[str]) -> None:
    [(status, words)] = await told(Turn(calls(("order", json.dumps(args))), says("Sorry."), tools=[order]))
    assert status == "error"
    assert words.split("\n") == ["The call was not made, for its arguments do not fit:", *faults, _NAMES]


_TICKET: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "state": {"enum": ["open", "closed"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "word": {"type": "string", "pattern": "^(a+)+$"},
        "old": False,
    },
    "required": ["number"],
    "additionalProperties": False,
}


def _strangers(schema: dict[str, Any], reached: list[dict[str, Any]]) -> BaseTool:
    """A tool as an MCP server's is: what its arguments are is said by a JSON schema."""

    async def take(**arguments: Any) -> str:
        reached.append(arguments)
        return "taken"

    return StructuredTool(name="mine_order", description="Order.", args_schema=schema, coroutine=take)


@pytest.mark.parametrize(
    ("args", "faults"),
    [
        ({"number": CANARY}, ['- number: Input does not fit its type. Wanted: {"type": "integer"}']),
        ({}, ['- number: Field required. Wanted: {"type": "integer"}']),
        ({"number": 1, "old": CANARY}, ["- all together: Something in it is not permitted"]),
        (
            {"number": 1, "state": CANARY, "tags": ["x", {"y": CANARY}], "colour": CANARY},
            [
                '- state: Input does not fit its enum. Wanted: {"enum": ["open", "closed"]}',
                '- tags.1: Input does not fit its type. Wanted: {"type": "array", "items": {"type": "string"}}',
                "- colour: Extra inputs are not permitted",
            ],
        ),
    ],
)
async def test_arguments_are_looked_at_before_they_are_sent_to_an_mcp_server(args: dict[str, Any], faults: list[str]) -> None:
    reached: list[dict[str, Any]] = []
    turn = Turn(calls(("mine_order", json.dumps(args))), says("Sorry."), tools=[needs_approval(_strangers(_TICKET, reached))])
    [(status, words)] = await told(turn)
    lines = words.split("\n")
    assert (status, lines[0], lines[-1]) == (
        "error",
        "The call was not made, for its arguments do not fit:",
        "mine_order takes number, state, tags, word, old.",
    )
    assert sorted(lines[1:-1]) == sorted(faults)
    assert reached == []


@pytest.mark.parametrize(
    "schema",
    [
        _TICKET,  # whose expression would take years for this word
        {"type": "object", "properties": {"number": {"$ref": "https://nowhere.test/schema.json"}}},
        {"type": "object", "properties": {"number": {"$ref": "#/properties/number"}}},
        {"type": "object", "properties": {"number": {"type": "whole"}}},
        {"type": "object", "properties": {"word": {"not": {"pattern": "^(a+)+$"}}}},
        {"type": "object", "properties": {}, "patternProperties": {"^(n+|u+|w+)+$": {}}, "additionalProperties": False},
    ],
)
async def test_what_cannot_be_looked_at_here_is_left_to_the_server(schema: dict[str, Any]) -> None:
    reached: list[dict[str, Any]] = []
    args = {"number": 1, "word": "a" * 60 + "b"}
    turn = Turn(calls(("mine_order", json.dumps(args))), says("Done."), tools=[_strangers(schema, reached)])
    assert [status for status, _ in await told(turn)] == ["success"]
    assert reached == [args]


def _either(side: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"tree": {"$ref": "#/$defs/tree"}}, "required": [side]}


def _branches(depth: int) -> dict[str, Any]:
    """Of a tree of which each has to be looked at twice as often as the one before it."""
    tree: dict[str, Any] = {}
    for _ in range(depth):
        tree = {"tree": tree}
    return tree


_TREE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"tree": {"$ref": "#/$defs/tree"}, "tags": {"type": "array", "uniqueItems": True}},
    "$defs": {"tree": {"anyOf": [_either("left"), _either("right")]}},
}


@pytest.mark.parametrize(("args", "status"), [(_branches(3), "error"), (_branches(12), "success"), ({"tags": [{}, {}]}, "success")])
async def test_what_would_keep_the_process_busy_is_left_to_the_server(args: dict[str, Any], status: str) -> None:
    reached: list[dict[str, Any]] = []
    turn = Turn(calls(("mine_order", json.dumps(args))), says("Done."), tools=[_strangers(_TREE, reached)])
    assert [one for one, _ in await told(turn)] == [status]
    assert reached == ([args] if status == "success" else [])


async def test_who_calls_what_there_is_not_is_told_of_what_it_may_call_and_of_nothing_else() -> None:
    turn = Turn(calls(("nosuch", "{}")), says("Sorry."), tools=[order], config={"tools_off": ["web_search", "order"]})
    [(status, words)] = await told(turn)
    own = [tool.name for tool in ASSISTANT.tools if tool.name != "web_search"]
    assert (status, words) == ("error", f"There is no tool of this name; there are {', '.join(own)}.")


async def test_the_words_about_many_wrong_arguments_are_few() -> None:
    args = {"item": "x", **{f"name-{number}-{'x' * 900}": CANARY for number in range(30)}}
    [(_, words)] = await told(Turn(calls(("order", json.dumps(args))), says("Sorry."), tools=[order]))
    assert len(words.split("\n")) == 12
    assert (len(words) < 6_000, CANARY in words) == (True, False)


async def test_what_the_server_gives_a_tool_is_no_argument_of_the_models() -> None:
    class _Arguments(BaseModel):
        word: str

    @tool(args_schema=_Arguments)
    async def greet(word: str, runtime: ToolRuntime[AgentContext, AgentState]) -> str:
        """Greet."""
        return f"{word}, {runtime.context.user_name}"

    turn = Turn(calls(("greet", "{}"), ("greet", '{"word": "Hello"}')), says("Sorry."), tools=[greet])
    assert await told(turn) == [
        (
            "error",
            'The call was not made, for its arguments do not fit:\n- word: Field required. Wanted: {"type": "string"}\ngreet takes word.',
        ),
        ("success", "Hello, ada"),
    ]


async def test_a_tool_that_reads_what_does_not_fit_is_not_the_models_fault() -> None:
    with structlog.testing.capture_logs() as logged:
        assert await told(Turn(calls(("misread", "{}")), says("Pity."), tools=[misread])) == [
            ("error", "The tool failed. Go on without it, or try something else.")
        ]
    [failed] = [line for line in logged if line["event"] == "tool_failed"]
    assert (failed["tool"], failed["error"]) == ("misread", "ValidationError")
    assert CANARY not in str(logged)
