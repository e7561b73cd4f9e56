"""A conversation is repaired before a model reads it."""

from collections.abc import Sequence

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from app.agent.history import with_every_call_answered


def asking(*ids: str) -> AIMessage:
    return AIMessage("", tool_calls=[ToolCall(name="calculate", args={}, id=call_id) for call_id in ids])


def told(messages: Sequence[AnyMessage]) -> list[tuple[str, str]]:
    """Each message's kind, and of a tool's answer which call it is for."""
    return [
        (message.type, f"{message.tool_call_id} {message.status}" if isinstance(message, ToolMessage) else message.text)
        for message in with_every_call_answered(messages)
    ]


QUESTION, AGAIN = HumanMessage("What is 1+1?"), HumanMessage("Well?")


def test_a_whole_conversation_is_left_as_it_is() -> None:
    messages: list[AnyMessage] = [
        QUESTION,
        asking("a", "b"),
        ToolMessage("2", tool_call_id="a"),
        ToolMessage("3", tool_call_id="b"),
        AIMessage("Two."),
    ]
    assert [*with_every_call_answered(messages)] == messages


@pytest.mark.parametrize("after", [[], [AGAIN]], ids=["last", "followed"])
def test_a_call_that_was_cut_off_is_answered_right_after_it(after: list[AnyMessage]) -> None:
    assert told([QUESTION, asking("a", "b"), *after]) == [
        ("human", "What is 1+1?"),
        ("ai", ""),
        ("tool", "a error"),
        ("tool", "b error"),
        *[("human", "Well?") for _ in after],
    ]


def test_only_the_calls_without_an_answer_get_one() -> None:
    assert [entry for entry in told([QUESTION, asking("a", "b"), ToolMessage("2", tool_call_id="a"), AGAIN]) if entry[0] == "tool"] == [
        ("tool", "b error"),
        ("tool", "a success"),
    ]


@pytest.mark.parametrize("answered_first", [True, False])
def test_a_provider_that_numbers_its_calls_anew_each_turn_gets_an_answer_for_each(*, answered_first: bool) -> None:
    answer, nothing = [ToolMessage("2", tool_call_id="call_0")], list[ToolMessage]()
    first, second = (answer, nothing) if answered_first else (nothing, answer)
    told_of_tools = [entry for entry in told([QUESTION, asking("call_0"), *first, AGAIN, asking("call_0"), *second]) if entry[0] == "tool"]
    assert told_of_tools == [("tool", f"call_0 {'success' if answer else 'error'}") for answer in (first, second)]


def test_the_answer_that_was_made_up_says_that_nothing_is_known() -> None:
    [_, _, made_up] = with_every_call_answered([QUESTION, asking("a")])
    assert made_up.text == "This call was cut off; whether it did anything is not known."
    assert made_up.name == "calculate"
