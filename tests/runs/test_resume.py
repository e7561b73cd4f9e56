"""A run whose process dies goes on from its last checkpoint, whichever write was its last."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from uuid_utils.compat import uuid7

from app.agent.assistant import ASSISTANT
from app.agent.assistant.graph import build_assistant
from app.agent.config import Limits
from app.agent.marks import needs_approval
from app.agent.registry import Agents
from app.agent.spec import Build
from app.agent.tools import TOOLS
from app.errors import AppError, CostLimitReached, RunCancelled, RunTimeout
from app.llm.asking import Asker
from app.llm.catalog import Prices
from app.persistence.values import RunStatus, TakenRun
from app.runs.log import RunLog
from app.runs.stream import Story
from app.runs.walk import Bench, LiveRun, Means, walk
from app.settings import ContextSettings, RunSettings, ToolSettings
from tests.fakes import ADA, MemoryOf, NamesInMemory, ScriptedChat, StartsInMemory, WebOf, calls, models_of, says
from tests.runs.tables import AttemptSaver, own_checkpoint

MEANS: Final = Means(
    agents=Agents(InMemorySaver()),
    memory=None,
    names=NamesInMemory(),
    runs=RunSettings(),
    tools=ToolSettings(),
    context=ContextSettings(),
    room=nullcontext(),
    web=WebOf(),
)
# More than a turn with its tools writes.
MOST_WRITES: Final = 14
YES: Final = {"approved": True}
# A dollar for each answer of the scripted model.
PRICES: Final = Prices(input=50_000, output=50_000)


class MortalSaver(InMemorySaver):
    """Keeps so many writes, and none after: what another process finds of one that was killed there."""

    def __init__(self) -> None:
        super().__init__()
        self.lives: int | None = None
        self.count = 0
        self.readable = asyncio.Event()
        self.readable.set()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        await self.readable.wait()
        return await super().aget_tuple(config)

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        if self._dies():
            own = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": "", "checkpoint_id": checkpoint["id"]}
            return {"configurable": own}
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        if not self._dies():
            await super().aput_writes(config, writes, task_id, task_path)

    def _dies(self) -> bool:
        self.count += 1
        return self.lives is not None and self.count > self.lives


class Replying(ScriptedChat):
    """Asks for its tools, and then tells what they said."""

    def __init__(self, *wanted: tuple[str, str]) -> None:
        super().__init__()
        self._wanted = wanted

    async def astream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[AIMessage]:  # noqa: A002  # the parent's name
        asked = input if isinstance(input, list) else []
        answers = [message.text for message in asked[-len(self._wanted) :] if message.type == "tool"]
        spent = {"input_tokens": 10, "output_tokens": 10}
        self.answers = [says(f"It is {' and '.join(answers)}.", **spent) if answers else calls(*self._wanted, **spent)]
        async for chunk in super().astream(input, config, **kwargs):
            yield chunk


@needs_approval
@tool
async def fetch(what: str) -> str:
    """Fetch a thing, if one may."""
    return f"a {what}"


CALCULATING: Final = (("calculate", '{"expression": "12*7"}'),)
FETCHING: Final = (*CALCULATING, ("fetch", '{"what": "hat"}'), ("fetch", '{"what": "coat"}'))


@dataclass
class Session:
    """A conversation, whose runs are walked one after the other and may die."""

    wanted: tuple[tuple[str, str], ...] = CALCULATING
    id: UUID = field(default_factory=uuid7)
    saver: MortalSaver = field(default_factory=MortalSaver)
    head: LiveRun | None = None
    chat: ScriptedChat = field(default_factory=ScriptedChat)
    kind: type[Replying] = Replying
    build: Build = build_assistant
    most_writes: int = MOST_WRITES
    most_usd: float | None = None

    def run(self, answers: Mapping[str, Any] | None = None) -> TakenRun:
        """The next."""
        before = self.head
        return TakenRun(
            id=uuid7(),
            session_id=self.id,
            attempt=1,
            model="scripted",
            asked_id=None if answers else uuid7(),
            message_id=uuid7(),
            user=ADA,
            text="" if answers else "What is 12*7?",
            from_checkpoint=before.bench.place.latest if before else None,
            parent_status=(RunStatus.INTERRUPTED if before.questions else RunStatus.COMPLETED) if before else None,
            answers=answers,
        )

    async def walks(self, taken: TakenRun, attempt: int = 1, means: Means = MEANS) -> AppError | None:
        """Make an attempt at the run; one after the first begins at the run's own last checkpoint, if it has one."""
        checkpoint = own_checkpoint(self.saver, self.id, taken.id) if attempt > 1 else None
        saver = AttemptSaver(self.saver, checkpoint or taken.from_checkpoint)
        self.chat, log = self.kind(*self.wanted), RunLog(taken.id, attempt, lambda _: None)
        story = Story(log, "scripted")
        names = {name: getattr(taken, name) for name in taken.__slots__}
        self.head = LiveRun(
            taken=TakenRun(**{**names, "attempt": attempt, "checkpoint": checkpoint}),
            asker=Asker(models_of(self.chat, prices=PRICES), None, story, most_usd=self.most_usd),
            bench=Bench(agent=self.build(saver, [*TOOLS, fetch]), place=saver, starts=StartsInMemory()),
            log=log,
            story=story,
        )
        return await walk(self.head, means)

    async def dies_after(self, lives: int, taken: TakenRun) -> None:
        self.saver.count, self.saver.lives = 0, lives
        await self.walks(taken)
        assert self.saver.count <= self.most_writes
        self.saver.lives = None

    @property
    def last(self) -> LiveRun:
        assert self.head
        return self.head

    async def conversation(self) -> list[BaseMessage]:
        snapshot = await self.last.bench.agent.aget_state({"configurable": {"thread_id": str(self.id)}})
        return [*snapshot.values["messages"]]


def told(run: LiveRun) -> list[tuple[str, dict[str, Any], str, bool]]:
    """What a transcript keeps of its tools."""
    return [(call["name"], call["args"], call["content"], call["is_error"]) for call in run.story.transcript()["tool_calls"]]


@pytest.mark.parametrize("earlier", [False, True], ids=["first message", "later message"])
@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_the_next_attempt_gives_the_whole_answer_once(lives: int, *, earlier: bool) -> None:
    session = Session()
    if earlier:
        await session.walks(session.run())
    run = session.run()
    await session.dies_after(lives, run)
    assert await session.walks(run, attempt=2) is None
    assert session.last.story.transcript()["content"] == "It is 84."
    assert told(session.last) == [("calculate", {"expression": "12*7"}, "84", False)]
    turn = ["human", "ai", "tool", "ai"]
    assert [message.type for message in await session.conversation()] == turn * (2 if earlier else 1)


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_the_next_attempt_asks_the_same_questions(lives: int) -> None:
    session = Session(FETCHING)
    run = session.run()
    await session.dies_after(lives, run)
    assert await session.walks(run, attempt=2) is None
    assert [question.value["args"] for question in session.last.questions] == [{"what": "hat"}, {"what": "coat"}]
    assert session.last.story.transcript()["content"] == ""
    assert sorted(content for _, _, content, _ in told(session.last)) == ["", "", "84"]
    assert [entry.type for entry in session.last.log.following(()).entries].count("tool_result") == 1
    await session.walks(session.run({question.id: YES for question in session.last.questions}))
    assert session.last.story.transcript()["content"] == "It is 84 and a hat and a coat."


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_after_questions_the_next_attempt_gives_the_whole_answer_once(lives: int) -> None:
    session = Session(FETCHING)
    await session.walks(session.run())
    run = session.run({question.id: YES for question in session.last.questions})
    await session.dies_after(lives, run)
    assert await session.walks(run, attempt=2) is None
    assert session.last.story.transcript()["content"] == "It is 84 and a hat and a coat."
    assert [message.type for message in await session.conversation()] == ["human", "ai", "tool", "tool", "tool", "ai"]


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_after_questions_the_transcript_has_each_call_once(lives: int) -> None:
    session = Session(FETCHING)
    await session.walks(session.run())
    run = session.run({question.id: YES for question in session.last.questions})
    await session.dies_after(lives, run)
    await session.walks(run, attempt=2)
    assert sorted(told(session.last), key=str) == [("fetch", {"what": "coat"}, "a coat", False), ("fetch", {"what": "hat"}, "a hat", False)]


class Slow(MemoryOf):
    """Lets checkpoints be read once it has been asked, and answers when it is told to."""

    def __init__(self, saver: MortalSaver) -> None:
        super().__init__(["Lives in Oslo"])
        self.saver = saver
        self.let_go = asyncio.Event()

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        found = await super().recall(user_id, query)
        self.saver.readable.set()
        await self.let_go.wait()
        return found


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_the_run_may_cost_no_more_than_without_a_crash(lives: int) -> None:
    session = Session(most_usd=1)
    run = session.run()
    await session.dies_after(lives, run)
    assert isinstance(await session.walks(run, attempt=2), CostLimitReached)
    assert session.last.story.usage().cost_usd == 1


async def test_an_agents_own_seconds_and_steps_hold_where_they_are_less_than_the_servers() -> None:
    def limited(limits: Limits) -> Means:
        return replace(MEANS, agents=Agents(InMemorySaver(), [replace(ASSISTANT, limits=limits)]))

    session = Session()
    assert await session.walks(session.run(), means=limited(Limits(steps=3))) is None
    assert session.last.story.transcript()["content"].startswith("I have used all the steps")
    session.saver.readable.clear()
    assert isinstance(await session.walks(session.run(), means=limited(Limits(seconds=0.1))), RunTimeout)


class Restless(Replying):
    """Never has enough: it asks for another sum as long as it may call tools."""

    async def astream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[AIMessage]:  # noqa: A002  # the parent's name
        asked = input if isinstance(input, list) else []
        made = sum(message.type == "tool" for message in asked)
        self.answers = [calls(("calculate", f'{{"expression": "{made}+1"}}'), first_id=made)]
        async for chunk in ScriptedChat.astream(self, input, config, **kwargs):
            yield chunk


@pytest.mark.parametrize("earlier", [False, True], ids=["first message", "later message"])
@pytest.mark.parametrize("lives", range(0, 40, 3))
async def test_whichever_write_was_the_last_the_run_makes_no_more_steps_than_without_a_crash(lives: int, *, earlier: bool) -> None:
    means = replace(MEANS, agents=Agents(InMemorySaver(), [replace(ASSISTANT, limits=Limits(steps=10))]))

    async def calls_made(*, dies: bool) -> int:
        session = Session()
        if earlier:
            await session.walks(session.run())
        session.kind, run = Restless, session.run()
        if dies:
            session.saver.count, session.saver.lives = 0, lives
        await session.walks(run, means=means)
        session.saver.lives = None
        if dies:
            assert await session.walks(run, attempt=2, means=means) is None
        assert "I have used all the steps" in session.last.story.transcript()["content"]
        return len(told(session.last))

    assert await calls_made(dies=True) == await calls_made(dies=False) > 2


async def test_a_run_has_the_seconds_that_earlier_attempts_have_left_it_and_keeps_what_they_said() -> None:
    session = Session()
    run = session.run()
    await session.dies_after(5, run)
    means = replace(MEANS, agents=Agents(InMemorySaver(), [replace(ASSISTANT, limits=Limits(seconds=60))]))
    over = replace(run, spent_seconds=61)
    assert isinstance(await session.walks(over, attempt=2, means=means), RunTimeout)
    assert session.chat.asked == []
    assert [name for name, *_ in told(session.last)] == ["calculate"], "what was done is told all the same"
    assert await session.walks(replace(run, spent_seconds=30), attempt=3, means=means) is None
    assert session.last.story.transcript()["content"] == "It is 84."


async def test_recall_begins_before_the_conversation_is_read_and_is_waited_for_by_the_answer() -> None:
    session = Session()
    await session.walks(session.run())
    session.saver.readable.clear()
    memory, taken = Slow(session.saver), replace(session.run(), recalls=True)
    walking = asyncio.create_task(session.walks(taken, means=replace(MEANS, memory=memory)))
    async with asyncio.timeout(5):
        await session.saver.readable.wait()
        assert session.chat.asked == []
        memory.let_go.set()
        assert await walking is None
    assert memory.asked == [(str(ADA.id), "What is 12*7?")], "once"
    assert session.last.log.following(()).entries[0].type == "memory"
    assert '- "Lives in Oslo"' in session.chat.asked[0][0].text


async def test_a_run_that_is_stopped_ends_the_recall_that_was_begun_for_it() -> None:
    session = Session()
    memory = Slow(session.saver)
    session.saver.readable.clear()
    walking = asyncio.create_task(session.walks(replace(session.run(), recalls=True), means=replace(MEANS, memory=memory)))
    await asyncio.wait_for(session.saver.readable.wait(), 5)
    walking.cancel()
    assert isinstance(await walking, RunCancelled)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "recall_ahead"]


async def test_nothing_is_recalled_ahead_for_an_agent_that_recalls_nothing() -> None:
    session = Session()
    await session.walks(session.run())
    memory, agents = Slow(session.saver), Agents(InMemorySaver(), [replace(ASSISTANT, events=frozenset({"token"}))])
    session.saver.readable.clear()
    taken, means = replace(session.run(), recalls=True), replace(MEANS, memory=memory, agents=agents)
    walking = asyncio.create_task(session.walks(taken, means=means))
    for _ in range(100):
        await asyncio.sleep(0)
    assert memory.asked == []
    session.saver.readable.set()
    memory.let_go.set()
    await walking


async def test_what_is_in_a_checkpoint_is_not_asked_for_again() -> None:
    session = Session()
    run = session.run()
    await session.walks(run)
    await session.walks(run, attempt=2)
    assert session.chat.asked == []
    assert session.last.story.transcript()["content"] == "It is 84."
