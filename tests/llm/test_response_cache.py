"""Answers told again: to whom, for what, which of them, and what those see who ask for the same at once."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from app import signals
from app.agent.tools import TOOLS
from app.errors import ModelRefused, ModelUnavailable
from app.llm.asking import Asker
from app.llm.calls import ModelCall, Purpose, noted
from app.llm.catalog import ModelSpec
from app.llm.kept_answers import LARGEST_BYTES, AnswersInMemory, KeptAnswer, is_final
from app.llm.prompt_key import prompt_key
from app.llm.response_cache import ResponseCache
from tests.fakes import HeardAll, Piece, ScriptedChat, calls, models_of, says
from tests.told import hearing, of

PROMPT: Final = (SystemMessage("Today is Saturday."), HumanMessage("Well?", id="one"))
SPEC: Final = ModelSpec(name="scripted")


class Clock:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class MixedUp:
    """A store that hands out this to whoever asks."""

    written: bytes

    async def find(self, _key: str) -> bytes:
        return self.written

    def keep(self, _key: str, _answer: bytes) -> None: ...
    def drop(self, _owner: str | None) -> None: ...


class House:
    """A process with a cache, whose model gives these answers."""

    def __init__(self, *answers: Sequence[Piece], **spec: Any) -> None:
        self.clock = Clock()
        self.store = AnswersInMemory(seconds=60, entries=100, most_bytes=10_000_000, clock=self.clock)
        self.cache = ResponseCache(self.store)
        self.chat = ScriptedChat(*answers)
        self.models = models_of(self.chat, **spec)

    async def asks(self, user: str = "ada", prompt: Sequence[BaseMessage] = PROMPT, **more: Any) -> tuple[AIMessage, HeardAll]:
        heard = HeardAll()
        return await Asker(self.models, None, heard, self.cache.of(user)).ask(prompt, **more), heard

    def begins(self, user: str = "ada") -> asyncio.Task[tuple[AIMessage, HeardAll]]:
        return asyncio.create_task(self.asks(user))

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while len(self.chat.asked) < times:  # noqa: ASYNC110  # the model makes it true
                await asyncio.sleep(0)


async def _settle() -> None:
    """Let everybody come to where they wait."""
    for _ in range(50):
        await asyncio.sleep(0)


def _told(heard: HeardAll, kind: str = "token") -> list[str]:
    return [what for said, what in heard.heard if said == kind]


def _ended(reason: str, text: str = "So far", **more: Any) -> list[Piece]:
    return [AIMessageChunk(content=text, response_metadata={"finish_reason": reason}, **more)]


async def test_the_second_answer_is_told_in_pieces_and_costs_nothing() -> None:
    thought = AIMessageChunk(content="", additional_kwargs={"reasoning_content": "Let me see, now."})
    house = House([thought, *says("one two three", input_tokens=7, output_tokens=3)])
    first, _ = await house.asks()
    again, heard = await house.asks()
    assert (_told(heard), _told(heard, "reasoning")) == (["one", " two", " three"], ["Let", " me", " see,", " now."])
    assert (again.text, again.additional_kwargs) == ("one two three", {"reasoning_content": "Let me see, now."})
    assert again.id
    assert again.id != first.id
    [call] = heard.calls
    assert noted(again) == call
    zero = ModelCall(
        id=call.id,
        model="scripted",
        purpose=Purpose.ANSWER,
        started_at=call.started_at,
        latency_ms=call.latency_ms,
        first_token_ms=call.first_token_ms,
        cost_usd=0.0,
        from_cache=True,
    )
    assert call == zero
    assert len(house.chat.asked) == 1


async def test_nobody_is_told_what_another_was() -> None:
    house = House(says("For Ada."), says("For Bob."))
    assert [(await house.asks(user))[0].text for user in ("ada", "bob", "ada", "bob")] == ["For Ada.", "For Bob."] * 2
    assert len(house.chat.asked) == 2


async def test_an_answer_to_another_key_is_none_whatever_the_store_hands_over() -> None:
    written = KeptAnswer(text="For Bob.").encode("Bob's key")
    for nonsense in (written, b"", b"[", b"7", b"\xff", b'{"text": "x", "reasoning": ""}', b"[" * 100_000):
        assert KeptAnswer.decode("Ada's key", nonsense) is None
    house = House(says("one"), says("two"))
    house.cache = ResponseCache(MixedUp(written))
    assert [(await house.asks())[0].text for _ in range(2)] == ["one", "two"]


def test_the_key_is_all_that_is_sent_and_nothing_else() -> None:
    called = AIMessage("", tool_calls=[{"name": "look", "args": {"at": "it", "n": 1}, "id": "c1"}])
    prompt = [*PROMPT, called, ToolMessage("Seen", tool_call_id="c1")]
    options = {"max_tokens": 5}
    tools = [{"name": "look"}]
    same = prompt_key("ada", SPEC, prompt, tools, options)
    usage = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
    met = AIMessage(
        "",
        id="other",
        usage_metadata=usage,
        response_metadata={"finish_reason": "tool_calls"},
        tool_calls=[{"name": "look", "args": {"n": 1, "at": "it"}, "id": "c1"}],
    )
    twin = [PROMPT[0], HumanMessage("Well?", id="two"), met, ToolMessage("Seen", tool_call_id="c1", id="x", artifact=object())]
    assert prompt_key("ada", SPEC.model_copy(update={"context_window": 9}), twin, tools, options) == same
    others = [
        prompt_key("bob", SPEC, prompt, tools, options),
        prompt_key("ada", ModelSpec(name="other"), prompt, tools, options),
        prompt_key("ada", SPEC.model_copy(update={"temperature": 0.5}), prompt, tools, options),
        prompt_key("ada", SPEC, prompt, [], options),
        prompt_key("ada", SPEC, prompt, tools, {}),
        prompt_key("ada", SPEC, prompt[1:], tools, options),
        prompt_key("ada", SPEC, [prompt[1], prompt[0], *prompt[2:]], tools, options),
        prompt_key("ada", SPEC, [SystemMessage("Today is Saturday.Well?"), *prompt[2:]], tools, options),
        prompt_key("ada", SPEC, [*PROMPT, called, ToolMessage("Unseen", tool_call_id="c1")], tools, options),
        prompt_key("ada", SPEC, [*PROMPT, called, ToolMessage("Seen", tool_call_id="c1", status="error")], tools, options),
        prompt_key("ada", SPEC, [*PROMPT, called, HumanMessage("Seen")], tools, options),
        prompt_key("ada", SPEC, [PROMPT[0], HumanMessage("Well? "), *prompt[2:]], tools, options),
    ]
    assert len({same, None, *others}) == len(others) + 2
    assert prompt_key("ada", SPEC, prompt, tools, {"response_format": AIMessage}) is None


async def test_what_was_told_again_leads_to_the_same_next_prompt() -> None:
    house = House(says("One."), says("Two."))
    for expected in (False, True):
        answer, _ = await house.asks()
        _, heard = await house.asks(prompt=[*PROMPT, answer, HumanMessage("And?")])
        assert heard.calls[0].from_cache is expected


@pytest.mark.parametrize("more", [{"tools": TOOLS}, {"options": {"max_tokens": 5}}])
async def test_tools_and_options_are_of_the_prompt_and_tools_that_are_not_called_do_no_harm(more: dict[str, Any]) -> None:
    house = House(says("bare"), says("with them"))
    assert [(await house.asks(**asked))[0].text for asked in ({}, more, {}, more)] == ["bare", "with them"] * 2


@pytest.mark.parametrize(
    "not_kept",
    [
        calls(("look", "{}")),
        [AIMessageChunk(content="I look. "), *calls(("look", "{}"))],
        _ended("length"),
        _ended("content_filter"),
        _ended("stopstop"),
        _ended("stop", text=""),
        _ended("stop", additional_kwargs={"refusal": "No."}),
        [AIMessageChunk(content="No end")],
        [AIMessageChunk(content="Half"), ModelUnavailable()],
        says("x" * (LARGEST_BYTES + 1)),
    ],
)
async def test_only_whole_final_answers_are_kept(not_kept: Sequence[Piece]) -> None:
    house = House(not_kept, says("Whole."))
    with suppress(ModelUnavailable, ModelRefused):
        assert (await house.asks())[1].calls[0].from_cache is False
    assert ((await house.asks())[0].text, (await house.asks())[1].calls[0].from_cache) == ("Whole.", True)
    assert len(house.chat.asked) == 2


def test_an_end_is_known_by_each_providers_word_and_other_content_is_not_kept() -> None:
    for metadata in ({"finish_reason": "STOP"}, {"stop_reason": "end_turn"}, {"done_reason": "stop"}, {"status": "completed"}):
        assert is_final(AIMessage("So.", response_metadata=metadata))
    for metadata in ({"stop_reason": "max_tokens"}, {"stop_reason": "refusal"}, {"status": "incomplete"}, {}):
        assert not is_final(AIMessage("So.", response_metadata=metadata))
    end = {"status": "completed"}
    call = {"name": "look", "args": {}, "id": "c1"}
    assert not is_final(AIMessage("I look.", response_metadata=end, tool_calls=[call]))
    broken = {"name": "look", "args": "{", "id": "c1", "error": None, "type": "invalid_tool_call"}
    assert not is_final(AIMessage("I look.", response_metadata=end, invalid_tool_calls=[broken]))
    assert is_final(AIMessage([{"type": "reasoning", "reasoning": "Hm"}, {"type": "text", "text": "So."}], response_metadata=end))
    for other in ({"type": "refusal", "refusal": "No."}, {"type": "image", "url": "u"}):
        assert not is_final(AIMessage([{"type": "text", "text": "So."}, other], response_metadata=end))


async def test_only_answers_are_found() -> None:
    house = House(says("one"), says("two"))
    for _ in range(2):
        _, heard = await house.asks(purpose=Purpose.SUMMARY)
        assert heard.calls[0].from_cache is False


async def test_what_another_model_said_in_its_place_is_not_kept() -> None:
    house = House(says("one"), says("two"))
    stands_in = house.models.get(None).spec.model_copy(update={"name": "another"})

    async def ask(_: object) -> AIMessage:
        return await Asker(house.models, None, HeardAll()).ask(PROMPT)

    for expected in ("one", "two"):
        assert (await house.cache.answer("key", stands_in, Purpose.ANSWER, HeardAll(), ask)).text == expected


async def test_of_twenty_at_once_one_asks() -> None:
    go = asyncio.Event()
    house = House([go, *says("one two")])
    asking = [house.begins() for _ in range(20)]
    await house.until_asked(1)
    await _settle()
    go.set()
    outcomes = await asyncio.gather(*asking)
    assert [_told(heard) for _, heard in outcomes] == [["one ", "two"], *[["one", " two"]] * 19]
    assert [heard.calls[0].from_cache for _, heard in outcomes] == [False, *[True] * 19]
    assert len({answer.id for answer, _ in outcomes}) == 20
    assert len(house.chat.asked) == 1


async def test_when_the_one_who_asks_is_cancelled_or_fails_the_next_asks_alone() -> None:
    never, go = asyncio.Event(), asyncio.Event()
    house = House([AIMessageChunk(content="Half"), never], [ModelUnavailable()], [go, *says("Whole.")])
    first, second, third, *rest = [house.begins() for _ in range(8)]
    await house.until_asked(1)
    third.cancel()  # while it waits
    await _settle()
    assert third.cancelled()
    first.cancel()
    await house.until_asked(3)
    with pytest.raises(ModelUnavailable):
        await second
    await _settle()
    assert len(house.chat.asked) == 3
    go.set()
    outcomes = await asyncio.gather(*rest)
    assert {answer.text for answer, _ in outcomes} == {"Whole."}
    assert [heard.calls[0].from_cache for _, heard in outcomes].count(False) == 1
    assert _told(outcomes[1][1]) == ["Whole."]
    assert not house.cache._under_way


async def test_who_waited_for_an_answer_that_is_not_for_others_asks_at_once() -> None:
    go = asyncio.Event()
    house = House([go, *calls(("look", "{}"))], *[[go, *says(f"{number}")] for number in range(4)])
    asking = [house.begins() for _ in range(5)]
    await house.until_asked(1)
    await _settle()
    held = asyncio.Event()
    for answer in house.chat.answers:
        answer[0] = held  # type: ignore[index]  # a list
    go.set()
    await house.until_asked(5)
    held.set()
    assert sorted(answer.text for answer, _ in await asyncio.gather(*asking)) == ["", "0", "1", "2", "3"]


async def test_an_answer_is_kept_for_its_time() -> None:
    house = House(says("old"), says("new"))
    await house.asks()
    house.clock.now = 59.9
    assert (await house.asks())[0].text == "old"
    house.clock.now = 60
    assert (await house.asks())[0].text == "new"
    assert house.store._bytes == sum(len(written) + 300 for _, written in house.store._kept.values())


async def test_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    store = AnswersInMemory(seconds=60, entries=3, most_bytes=3_000)
    for key in "abc":
        store.keep(key, b"x")
    await store.find("a")
    store.keep("d", b"x")
    assert [key for key in "abcd" if await store.find(key)] == ["a", "c", "d"]
    store.keep("large", b"x" * 2_500)
    assert [key for key in ("a", "c", "d", "large") if await store.find(key)] == ["large"]
    store.keep("too large", b"x" * 3_000)
    store.keep("large", b"y" * 2_500)
    assert (await store.find("too large"), await store.find("large"), store._bytes) == (None, b"y" * 2_500, 2_800)


@pytest.mark.parametrize("text", ["😀 half", "這是一個沒有空格的很長的句子" * 20, "\n\n  x" + " " * 10_000, "word " * 20_000])
async def test_any_text_comes_back_as_it_was_in_small_pieces(text: str) -> None:
    house = House(_ended("stop", text=text))
    await house.asks()
    again, heard = await house.asks()
    assert again.text == "".join(_told(heard)) == text
    assert max(len(piece.strip()) for piece in _told(heard)) <= 16


async def test_a_long_answer_told_again_leaves_others_room() -> None:
    house = House(_ended("stop", text="word " * 20_000))
    await house.asks()
    telling = house.begins()
    turns = 0
    while not telling.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 100


async def test_a_user_who_is_erased_leaves_nothing_in_the_process_and_what_comes_late_is_not_kept() -> None:
    house = House(says("Yes."), says("Yes, Bob."), says("Still here?"), says("Again."))
    assert [(await house.asks(user))[0].text for user in ("ada", "bob")] == ["Yes.", "Yes, Bob."]
    house.cache.forget("ada")
    assert [(await house.asks("ada"))[0].text for _ in range(2)] == ["Still here?", "Again."]  # asked each time: the first is not kept
    assert (await house.asks("bob"))[0].text == "Yes, Bob."
    house.cache.forget(None)
    assert house.store._kept == {}


async def test_what_was_asked_of_the_cache_is_told_and_what_it_tells_again_is_a_call() -> None:
    more = asyncio.Event()
    house = House([more, *says("one", input_tokens=7, output_tokens=1)], calls(("look", "{}")), says("two"))
    with hearing(signals.cache_asked, signals.model_called) as told:
        both = [house.begins(), house.begins()]
        await house.until_asked(1)
        await _settle()
        more.set()
        await asyncio.gather(*both)
        await house.asks()
    assert of(told, signals.cache_asked) == [("miss",), ("shared",), ("hit",)]
    told_calls = [(call["from_cache"], call["input_tokens"], call["cost_usd"]) for (call,) in of(told, signals.model_called)]
    assert told_calls == [(False, 7, None), (True, 0, 0.0), (True, 0, 0.0)]


async def test_what_cannot_be_kept_for_others_is_a_miss_for_each() -> None:
    more = asyncio.Event()
    house = House([more, *calls(("look", "{}"))], calls(("look", "{}")))
    with hearing(signals.cache_asked) as told:
        both = [house.begins(), house.begins()]
        await house.until_asked(1)
        await _settle()
        more.set()
        await asyncio.gather(*both)
    assert told == [("cache_asked", "miss")] * 2
