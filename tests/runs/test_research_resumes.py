"""A researcher whose process dies goes on from its last checkpoints, whichever write was its last: its own or a worker's."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from uuid_utils.compat import uuid7

from app.agent.researcher import RESEARCHER
from app.errors import AppError
from app.llm.asking import Asker
from app.persistence.values import TakenRun
from app.runs.log import RunLog
from app.runs.stream import Story
from app.runs.walk import Bench, LiveRun, walk
from tests.agent.research import Parts, note, pages, plan
from tests.fakes import ADA, StartsInMemory, WebOf, models_of
from tests.runs.tables import AttemptSaver, own_checkpoint
from tests.runs.test_resume import MEANS, MortalSaver

# More than a turn with two workers and a second draft writes.
MOST_WRITES: Final = 40
ANSWER: Final = (
    "The heron, by two [1][2].\n\n**Sources**\n\n1. [All about heron](https://heron.test/)\n2. [All about fox](https://fox.test/)"
)

CITED: Final = ["https://heron.test/", "https://fox.test/"]


class MortalTree(MortalSaver):
    """The same for a graph with graphs in it."""

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        place = await super().aput(config, checkpoint, metadata, new_versions)
        place["configurable"]["checkpoint_ns"] = config["configurable"].get("checkpoint_ns", "")
        return place


class Research:
    """One run of the researcher, which may be attempted more than once."""

    def __init__(self) -> None:
        self.saver, self.web = MortalTree(), WebOf([*pages("fox", "heron")])
        session: UUID = uuid7()
        self.taken = TakenRun(
            id=uuid7(),
            session_id=session,
            attempt=1,
            model="scripted",
            asked_id=uuid7(),
            message_id=uuid7(),
            user=ADA,
            text="Which is longer?",
            agent="researcher",
        )
        self.runs: list[LiveRun] = []
        self.chats: list[Parts] = []

    async def walks(self) -> AppError | None:
        attempt = len(self.runs) + 1
        checkpoint = own_checkpoint(self.saver, self.taken.session_id, self.taken.id) if attempt > 1 else None
        saver = AttemptSaver(self.saver, checkpoint)
        chat = Parts(
            plan=plan("how long is the fox", "how long is the heron"),
            note=lambda asked: note("Three.") if "fox" in asked.partition("</question>")[0] else note("Five."),
            write="The heron, by two [2][1].",
            critic='{"good": false, "remarks": "Say by how much."}',
        )
        log = RunLog(self.taken.id, attempt, lambda _: None)
        story = Story(log, "scripted")
        run = LiveRun(
            taken=replace(self.taken, attempt=attempt, checkpoint=checkpoint),
            asker=Asker(models_of(chat), None, story),
            bench=Bench(agent=RESEARCHER.build(saver, ()), place=saver, starts=StartsInMemory()),
            log=log,
            story=story,
        )
        self.runs.append(run)
        self.chats.append(chat)
        return await walk(run, replace(MEANS, web=self.web))

    async def dies_after(self, lives: int) -> None:
        self.saver.count, self.saver.lives = 0, lives
        await self.walks()
        assert self.saver.count <= MOST_WRITES
        self.saver.lives = None

    def steps(self) -> list[tuple[str, str, str]]:
        """What a page shows of the last attempt at its end."""
        entries = self.runs[-1].log.following(()).entries
        begin = max((place for place, entry in enumerate(entries) if entry.type == "reset"), default=-1)
        told: list[dict[str, Any]] = [orjson.loads(entry.payload) for entry in entries[begin + 1 :] if entry.type == "step"]
        return [(one["node"], one["title"], one["status"]) for one in told]


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_the_next_attempt_gives_the_whole_answer_once_and_its_whole_account(lives: int) -> None:
    research = Research()
    await research.dies_after(lives)
    assert await research.walks() is None
    last = research.runs[-1]
    assert last.story.transcript()["content"] == ANSWER
    snapshot = await last.bench.agent.aget_state({"configurable": {"thread_id": str(research.taken.session_id)}})
    assert [(message.type, message.text) for message in snapshot.values["messages"]] == [("human", "Which is longer?"), ("ai", ANSWER)]
    shown = research.steps()
    assert shown[0][0] == "plan"
    for name in ("fox", "heron"):
        assert shown.count(("worker", f"how long is the {name}", "done")) == 1
    [written] = [one for one in last.story.transcript()["steps"] if one["node"] == "write"]
    assert (written["status"], [source["url"] for source in written["content"]["sources"]]) == ("done", CITED)
    assert len(snapshot.values["findings"]) == 2
    calls = last.story.calls
    assert len(calls) == len({call.id for call in calls}) == 6, "plan, two notes, two drafts, and the review between them"
    if lives == MOST_WRITES:
        assert research.chats[1].heard == [], "what is kept is not asked for again"
