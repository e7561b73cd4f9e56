"""A hook of an agent's own, as docs/hooks.md has it, in a run."""

import re
from typing import Final

from app.llm.hooks import Hook
from app.persistence.values import RunStatus
from app.settings import ROOT
from tests.fakes import calls, says
from tests.runs.conftest import Scenery
from tests.runs.reading import kinds, text_of

_DOCUMENT: Final = ROOT / "docs" / "hooks.md"


def _of_the_document() -> Hook:
    [program] = re.findall(r"```python\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, type[Hook]] = {}
    exec(program, names)  # noqa: S102  # the document's own
    return names["NoLegalAdvice"]()


async def test_it_withholds_an_answer_and_leaves_what_was_said_before_it(scenery: Scenery) -> None:
    asks_first = [*says("Let me see. ")[:3], *calls(("calculate", '{"expression": "1+1"}'))]
    async with scenery(asks_first, says("Well, YOU SHOULD SUE."), says("Talk to them."), hooks=[_of_the_document()]) as scene:
        run = await scene.asks("My neighbour sings.")
        events = await scene.reads(run)
        assert [kind for kind in kinds(events) if kind in {"reset", "error", "end"}] == ["reset", "error", "end"]
        shown = text_of(events[kinds(events).index("reset") :])
        assert shown == "Let me see. \n\nThis answer was withheld."
        [end] = scene.store.finished
        assert (end.status, end.error_code, end.content) == (RunStatus.FAILED, "answer_withheld", shown)
        assert len(end.tool_calls) == 1
        assert text_of(await scene.reads(await scene.asks("And now?"))) == "Talk to them."
        assert not [message for message in scene.heard() if "SUE" in message.text]
