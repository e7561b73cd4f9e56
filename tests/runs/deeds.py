"""Tools that ask before they do something, and what a person and the model see of that."""

import asyncio
from typing import Final

from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from app.agent.marks import needs_approval
from tests.fakes import Piece, calls
from tests.runs.conftest import Scene

YES: Final = {"approved": True}


class Deeds:
    """Three tools, two of which ask first, and what they have done; each waits as long as `held` is not set."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

        @needs_approval
        @tool
        async def send(to: str) -> str:
            """Send a letter."""
            return await self._do(f"sent to {to}")

        @needs_approval
        @tool
        async def burn(what: str) -> str:
            """Burn a thing."""
            return await self._do(f"burnt {what}")

        @tool
        async def look(at: str) -> str:
            """Look at a thing, which nobody need allow."""
            return await self._do(f"looked at {at}")

        self.tools = [send, burn, look]

    async def _do(self, deed: str) -> str:
        self.begun.append(deed)
        await self.held.wait()
        self.done.append(deed)
        return deed


def wants(*names: str) -> list[Piece]:
    arguments = {"send": '{"to": "Bob"}', "burn": '{"what": "it"}', "look": '{"at": "it"}'}
    return calls(*((name, arguments[name]) for name in names))


async def ids_of(scene: Scene) -> dict[str, str]:
    """The open questions' ids by the tool each asks about."""
    return {question.value["tool"]: question.id for question in await scene.questions.open(scene.session)}


def told(scene: Scene) -> dict[str, str]:
    """What the model was last told by its tools, each of which is heard once."""
    answers = [message for message in scene.heard() if isinstance(message, ToolMessage)]
    assert len({message.tool_call_id for message in answers}) == len(answers)
    return {message.name or "": message.text for message in answers}
