"""Calls that a person has to agree to, and calls that are never repeated."""

import asyncio
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool

from app.agent.approval import EXPIRED, WITHDRAWN, asked_call
from app.agent.history import closing
from app.agent.marks import is_once_only, is_to_be_approved, needs_approval, once_only
from app.agent.tools import TOOLS
from app.errors import RunLost
from tests.agent.turn import Turn
from tests.fakes import StartsInMemory, calls, says

_UNKNOWN = "The server stopped during this call, and it is not repeated. Whether it did anything is not known."


class Ledger:
    """Tools that note each time they are really called."""

    def __init__(self) -> None:
        self.made: list[str] = []

        @tool
        async def pay(to: str) -> str:
            """Pay somebody."""
            self.made.append(to)
            return f"Paid {to}."

        self.pay = needs_approval(pay)
        self.pay_once = once_only(pay)
        self.pay_once_if_approved = needs_approval(once_only(pay))
        self.pay_at_once = pay


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def paying(*names: str) -> list[Any]:
    return calls(*(("pay", f'{{"to": "{name}"}}') for name in names))


def told(turn: Turn) -> list[tuple[str, str, str]]:
    return [(answer.tool_call_id, answer.status, answer.text) for answer in turn.answers_of_tools()]


async def test_a_call_is_asked_about_before_it_is_made(ledger: Ledger) -> None:
    turn = Turn(paying("Bob"), says("Done."), tools=[ledger.pay])
    await turn.takes("Pay Bob.")
    [question] = await turn.questions()
    assert question.value == {"kind": "approval", "call_id": "call-1", "tool": "pay", "args": {"to": "Bob"}}
    assert (ledger.made, len(turn.chat.asked)) == ([], 1)
    assert turn.listener.heard == [("tool_called", "call-1", "pay", {"to": "Bob"})]


async def test_a_call_that_is_agreed_to_is_made_once(ledger: Ledger) -> None:
    turn = Turn(paying("Bob"), says("Done."), tools=[ledger.pay])
    await turn.takes("Pay Bob.")
    conversation = await turn.hears({"approved": True})
    assert ledger.made == ["Bob"]
    assert told(turn) == [("call-1", "success", "Paid Bob.")]
    assert conversation[-1].text == "Done."
    assert ("tool_answered", "call-1", "pay", "Paid Bob.", False) in turn.listener.heard


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"approved": False}, "The user refused this call."),
        ({"approved": False, "comment": ""}, "The user refused this call."),
        ({"approved": False, "comment": "Too dear."}, "The user refused this call, and said: Too dear."),
        (EXPIRED, "Nobody answered in time whether this call may be made, so it was not made."),
    ],
)
async def test_a_call_that_is_not_agreed_to_is_not_made_and_the_model_is_told_why(ledger: Ledger, answer: object, words: str) -> None:
    turn = Turn(paying("Bob"), says("A pity."), tools=[ledger.pay])
    await turn.takes("Pay Bob.")
    conversation = await turn.hears(answer)
    assert ledger.made == []
    assert told(turn) == [("call-1", "error", words)]
    assert conversation[-1].text == "A pity."
    assert ("tool_answered", "call-1", "pay", words, True) in turn.listener.heard


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ({"approved": True}, True),
        ({"approved": False, "comment": "No."}, True),
        ({"approved": False, "comment": "x" * 2001}, False),
        ({"approved": "yes"}, False),
        ({"approved": True, "args": {"to": "Eve"}}, False),
        ({}, False),
        (True, False),
        (EXPIRED, False),
    ],
)
async def test_a_question_says_what_an_answer_to_it_is(ledger: Ledger, answer: object, *, fits: bool) -> None:
    turn = Turn(paying("Bob"), tools=[ledger.pay])
    await turn.takes("Pay Bob.")
    [question] = await turn.questions()
    assert isinstance(question.response_schema, dict)
    assert Draft202012Validator(question.response_schema).is_valid(answer) is fits


async def test_calls_side_by_side_are_each_asked_about_and_the_others_made_at_once(ledger: Ledger) -> None:
    asked = calls(("pay", '{"to": "Bob"}'), ("calculate", '{"expression": "12*7"}'), ("pay", '{"to": "Eve"}'))
    turn = Turn(asked, says("Done."), tools=[ledger.pay])
    await turn.takes("Pay them.")
    bob, eve = await turn.questions()
    assert [question.value["args"]["to"] for question in (bob, eve)] == ["Bob", "Eve"]
    assert bob.id != eve.id
    assert [event for event in turn.listener.heard if event[0] == "tool_answered"] == [
        ("tool_answered", "call-2", "calculate", "84", False)
    ]
    await turn.hears({"approved": True}, {"approved": False})
    assert ledger.made == ["Bob"]
    assert told(turn) == [
        ("call-1", "success", "Paid Bob."),
        ("call-2", "success", "84"),
        ("call-3", "error", "The user refused this call."),
    ]
    answers = [event for event in turn.listener.heard if event[0] == "tool_answered" and event[1] == "call-2"]
    assert len(answers) == 1, "a call that has answered is not made again"


async def test_what_is_left_open_is_asked_again_and_what_was_answered_is_not(ledger: Ledger) -> None:
    turn = Turn(paying("Bob", "Eve"), says("Done."), tools=[ledger.pay])
    await turn.takes("Pay them.")
    before = [question.id for question in await turn.questions()]
    await turn.hears({"approved": True}, None)
    [eve] = await turn.questions()
    assert (eve.id, eve.value["args"]) == (before[1], {"to": "Eve"})
    assert (ledger.made, len(turn.chat.asked)) == (["Bob"], 1)
    conversation = await turn.hears({"approved": True})
    assert ledger.made == ["Bob", "Eve"]
    assert conversation[-1].text == "Done."


def test_a_tool_of_the_server_that_nobody_marked_asks_nothing() -> None:
    assert {each.name for each in TOOLS if is_to_be_approved(each)} == {"rename_session"}
    assert {each.name for each in TOOLS if is_once_only(each)} == set()
    assert not is_to_be_approved(None)


def test_a_mark_leaves_the_tool_itself_and_other_marks_as_they_are(ledger: Ledger) -> None:
    assert (is_to_be_approved(ledger.pay_at_once), is_once_only(ledger.pay_at_once)) == (False, False)
    assert (is_to_be_approved(ledger.pay), is_once_only(ledger.pay)) == (True, False)
    assert (is_to_be_approved(ledger.pay_once_if_approved), is_once_only(ledger.pay_once_if_approved)) == (True, True)


async def test_the_session_is_renamed_when_its_user_agrees() -> None:
    for agreed in (True, False):
        turn = Turn(calls(("rename_session", '{"name": "  A trip\\n to  Oslo "}')), says("Done."))
        await turn.takes("Call it a trip to Oslo.")
        assert turn.names.given == {}
        await turn.hears({"approved": agreed})
        assert turn.names.given == ({turn.session_id: "A trip to Oslo"} if agreed else {})


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
async def test_a_session_gets_no_name_that_is_none(name: str) -> None:
    turn = Turn(calls(("rename_session", f'{{"name": "{name}"}}')), says("Done."))
    await turn.takes("Rename it.")
    await turn.hears({"approved": True})
    assert turn.names.given == {}
    assert told(turn) == [("call-1", "error", "A name has 1 to 100 characters.")]


async def test_a_call_that_may_have_been_made_is_not_repeated(ledger: Ledger) -> None:
    starts = BegunBefore()
    turn = Turn(paying("Bob"), says("Hm."), tools=[ledger.pay_once], starts=starts)
    await turn.takes("Pay Bob.")
    assert ledger.made == []
    assert told(turn) == [("call-1", "error", _UNKNOWN)]
    assert ("tool_answered", "call-1", "pay", _UNKNOWN, True) in turn.listener.heard


class BegunBefore:
    """An attempt before this one has begun every call."""

    async def begin(self, task_id: str) -> bool:
        return not task_id


async def test_each_call_that_must_not_be_repeated_is_written_down_under_its_own_name(ledger: Ledger) -> None:
    starts = StartsInMemory()
    turn = Turn(paying("Bob", "Bob"), says("Twice."), tools=[ledger.pay_once], starts=starts)
    await turn.takes("Pay Bob twice.")
    assert ledger.made == ["Bob", "Bob"]
    assert len(starts.begun) == 2
    assert all(name.startswith("tools:") for name in starts.begun)


async def test_other_calls_are_not_written_down(ledger: Ledger) -> None:
    starts = StartsInMemory()
    await Turn(paying("Bob"), says("Done."), tools=[ledger.pay_at_once], starts=starts).takes("Pay Bob.")
    assert (ledger.made, starts.begun) == (["Bob"], set())


async def test_a_call_that_is_asked_about_is_written_down_when_it_is_agreed_to_and_not_before(ledger: Ledger) -> None:
    starts = StartsInMemory()
    turn = Turn(paying("Bob"), says("Done."), tools=[ledger.pay_once_if_approved], starts=starts)
    await turn.takes("Pay Bob.")
    assert starts.begun == set()
    await turn.hears({"approved": True})
    assert (ledger.made, len(starts.begun)) == (["Bob"], 1)


async def test_a_step_that_is_made_again_has_the_name_it_had(ledger: Ledger) -> None:
    """Without that, a call would be repeated by whoever takes the run over."""
    starts = DyingAfterwards()
    turn = Turn(paying("Bob"), says("Hm."), tools=[ledger.pay_once], starts=starts)
    dying = asyncio.create_task(turn.takes("Pay Bob."))
    await asyncio.wait_for(starts.written.wait(), 5)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    starts.dies = False
    await turn.goes_on()
    assert (len(starts.begun), ledger.made) == (1, [])
    assert told(turn) == [("call-1", "error", _UNKNOWN)]


class DyingAfterwards(StartsInMemory):
    """Writes the call down and comes no further."""

    def __init__(self) -> None:
        super().__init__()
        self.dies = True
        self.written = asyncio.Event()

    async def begin(self, task_id: str) -> bool:
        is_first = await super().begin(task_id)
        self.written.set()
        if self.dies:
            await asyncio.Event().wait()
        return is_first


async def test_an_attempt_that_has_lost_its_run_makes_no_call_and_tells_the_model_nothing(ledger: Ledger) -> None:
    turn = Turn(paying("Bob"), says("Hm."), tools=[ledger.pay_once], starts=Lost())
    with pytest.raises(RunLost):
        await turn.takes("Pay Bob.")
    assert (ledger.made, len(turn.chat.asked)) == ([], 1)


class Lost:
    """Those of an attempt that no longer holds its run."""

    async def begin(self, task_id: str) -> bool:
        raise RunLost(task_id)


async def test_a_message_instead_of_an_answer_closes_the_calls_that_were_asked_about(ledger: Ledger) -> None:
    asked = calls(("pay", '{"to": "Bob"}'), ("calculate", '{"expression": "12*7"}'))
    turn = Turn(asked, says("Never mind."), tools=[ledger.pay])
    await turn.takes("Pay Bob.")
    tasks = (await turn.agent.aget_state(turn.config)).tasks
    answers = closing(tasks, waited=True)
    assert {(each.tool_call_id, each.status, each.text) for each in answers if isinstance(each, ToolMessage)} == {
        ("call-1", "error", WITHDRAWN),
        ("call-2", "success", "84"),
    }
    conversation = await turn.takes("Forget it.", *answers)
    assert {(call_id, words) for call_id, _, words in told(turn)} == {("call-1", WITHDRAWN), ("call-2", "84")}
    assert [message.type for message in turn.chat.asked[-1]] == ["system", "human", "ai", "tool", "tool", "human"]
    assert (conversation[-1].text, ledger.made) == ("Never mind.", [])
    assert await turn.questions() == []


async def test_a_run_that_was_cut_off_keeps_what_was_answered_and_says_nothing_of_the_rest(ledger: Ledger) -> None:
    asked = calls(("pay", '{"to": "Bob"}'), ("calculate", '{"expression": "12*7"}'))
    turn = Turn(asked, tools=[ledger.pay])
    await turn.takes("Pay Bob.")
    [kept] = closing((await turn.agent.aget_state(turn.config)).tasks, waited=False)
    assert isinstance(kept, ToolMessage)
    assert (kept.tool_call_id, kept.text) == ("call-2", "84")


async def test_after_a_whole_turn_there_is_nothing_to_close() -> None:
    turn = Turn(says("Hello."))
    conversation = await turn.takes("Hi")
    assert isinstance(conversation[-1], AIMessage)
    assert closing((await turn.agent.aget_state(turn.config)).tasks, waited=True) == []


@pytest.mark.parametrize("value", ["pay", None, {"kind": "choice", "call_id": "1"}, {"kind": "approval"}, ["approval"]])
def test_what_asks_for_no_approval_names_no_call(value: object) -> None:
    assert asked_call(value) is None
