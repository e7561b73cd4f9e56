"""The researcher's model and web in tests: each of its parts answers by what it is asked, in whichever order they ask."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from app.agent.web import Page
from tests.fakes import Piece, ScriptedChat, says

# How each part's instructions begin.
PARTS: Final = {"You plan": "plan", "You take notes": "note", "You are Milepost's researcher": "write", "You review": "critic"}

type Reply = str | Exception | Callable[[str], str | Exception]


def pages(*names: str) -> list[Page]:
    return [Page(url=f"https://{name}.test/", title=f"All about {name}", text=f"The {name} is {len(name)} letters long.") for name in names]


def plan(*questions: str) -> str:
    return json.dumps({"questions": questions})


def note(*notes: str) -> str:
    """Of the first page."""
    return json.dumps({"notes": [{"page": 1, "says": says} for says in notes]})


class Parts(ScriptedChat):
    """What each part says, be it by the text of what it is asked; `heard` is what it was told, in order."""

    def __init__(self, **replies: Reply | Sequence[Reply]) -> None:
        super().__init__()
        self.replies: dict[str, Any] = {"critic": '{"good": true}', **replies}
        self.heard: list[tuple[str, list[BaseMessage]]] = []

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  # the parent's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessage]:
        prompt = cast("list[BaseMessage]", input)
        part = next(name for begin, name in PARTS.items() if prompt[0].text.startswith(begin))
        self.heard.append((part, prompt))
        reply = self.replies[part]
        if isinstance(reply, list):
            reply = reply.pop(0)
        if callable(reply):
            reply = reply(prompt[-1].text)
        pieces: list[Piece] = [reply] if isinstance(reply, Exception) else says(reply, input_tokens=10, output_tokens=2)
        self.answers.insert(0, pieces)
        async for piece in super().astream(input, config, **kwargs):
            yield piece

    def told(self, part: str) -> list[str]:
        """All that a part was told, each time."""
        return ["\n".join(message.text for message in prompt) for name, prompt in self.heard if name == part]
