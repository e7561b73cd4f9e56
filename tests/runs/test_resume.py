"""A run whose process dies goes on from its last checkpoint, whichever write was its last."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.memory import InMemorySaver
from uuid_utils.compat import uuid7

from app.agent.graph import build_agent
from app.agent.memory import NoMemory
from app.runs.log import RunLog
from app.runs.stream import Story
from app.runs.walk import LiveRun, Means, walk
from app.settings import RunSettings, ToolSettings
from tests.fakes import ADA, ScriptedChat, calls, models_of, says

MEANS: Final = Means(memory=NoMemory(), runs=RunSettings(), tools=ToolSettings())
# More than a turn with one tool writes.
MOST_WRITES: Final = 12


class MortalSaver(InMemorySaver):
    """Keeps so many writes, and none after: what another process finds of one that was killed there."""

    def __init__(self, lives: int | None = None) -> None:
        super().__init__()
        self.lives = lives
        self.count = 0

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


class Calculating(ScriptedChat):
    """Asks for the calculator, and then tells what it said."""

    async def astream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[AIMessage]:  # noqa: A002  # the parent's name
        asked = input if isinstance(input, list) else []
        self.answers = [says(f"It is {asked[-1].text}.") if asked[-1].type == "tool" else calls(("calculate", '{"expression": "12*7"}'))]
        async for chunk in super().astream(input, config, **kwargs):
            yield chunk


def attempt_at(run_id: UUID, session: UUID, saver: InMemorySaver, number: int = 1) -> LiveRun:
    log, model = RunLog(run_id, number, lambda _: None), models_of(Calculating()).get(None)
    return LiveRun(
        id=run_id,
        session_id=session,
        asked_id=uuid7(),
        message_id=uuid7(),
        user=ADA,
        model=model,
        text="What is 12*7?",
        agent=build_agent(saver),
        log=log,
        story=Story(log, model.spec),
    )


async def conversation(run: LiveRun) -> list[BaseMessage]:
    snapshot = await run.agent.aget_state({"configurable": {"thread_id": str(run.session_id)}})
    return [*snapshot.values["messages"]]


@pytest.mark.parametrize("earlier", [False, True], ids=["first message", "later message"])
@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_the_next_attempt_gives_the_whole_answer_once(lives: int, *, earlier: bool) -> None:
    saver, session, run_id = MortalSaver(), uuid7(), uuid7()
    if earlier:
        await walk(attempt_at(uuid7(), session, saver), MEANS)
    saver.count, saver.lives = 0, lives
    await walk(attempt_at(run_id, session, saver), MEANS)
    assert saver.count <= MOST_WRITES
    saver.lives = None

    second = attempt_at(run_id, session, saver, number=2)
    assert await walk(second, MEANS) is None
    told = second.story.transcript()
    assert told["content"] == "It is 84."
    assert [(call["name"], call["content"], call["is_error"]) for call in told["tool_calls"]] == [("calculate", "84", False)]
    turn = ["human", "ai", "tool", "ai"]
    assert [message.type for message in await conversation(second)] == turn * (2 if earlier else 1)


async def test_what_is_in_a_checkpoint_is_not_asked_for_again() -> None:
    saver, session, run_id = MortalSaver(), uuid7(), uuid7()
    await walk(attempt_at(run_id, session, saver), MEANS)
    second = attempt_at(run_id, session, saver, number=2)
    await walk(second, MEANS)
    assert isinstance(second.model.chat, Calculating)
    assert second.model.chat.asked == []
    assert second.story.transcript()["content"] == "It is 84."
