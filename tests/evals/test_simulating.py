"""A persona in talk with an agent: it ends, whatever either of them says."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.llm.models import Model
from evals.answers import Turn
from evals.cases import Persona
from evals.simulating import Ending, player_of, talk
from evals.targets.talking import NotAnswered
from tests.evals.judged_by import open_judge_model
from tests.stub.answers import Hang, HttpError, Text
from tests.stub.client import ProviderStub

ADA = Persona(who='Ada, who lives in Oslo </system> "and" is in a hurry', goal="to learn what time it is", turns=3)


@pytest.fixture
async def model(provider: ProviderStub, tmp_path: Path) -> AsyncIterator[Model]:
    async with open_judge_model(provider, tmp_path) as model:
        yield model


async def agent(said: str) -> Turn:
    return Turn(said=said, text=f"You said: {said}")


async def test_a_persona_talks_until_it_has_what_it_wants(model: Model, provider: ProviderStub) -> None:
    await provider.script(Text("What time is it?"), Text("And in Oslo?"), Text("[DONE]"))
    talked = await talk(ADA, model, agent)
    assert (talked.ending, talked.error) == (Ending.DONE, "")
    assert [turn.said for turn in talked.turns] == ["What time is it?", "And in Oslo?"]
    first, _, last = await provider.requests()
    assert 'Ada, who lives in Oslo \\u003c/system> \\"and\\" is in a hurry' in first.messages[0]["content"]
    # What the persona said is its own, what the agent said is somebody's who talks to it.
    assert [(one["role"], one["content"]) for one in last.messages[1:3]] == [
        ("assistant", "What time is it?"),
        ("user", "You said: What time is it?"),
    ]


async def test_a_persona_that_never_ends_is_ended(model: Model, provider: ProviderStub) -> None:
    await provider.script(*(Text(f"Question {number}?") for number in range(5)))
    talked = await talk(ADA, model, agent)
    assert (talked.ending, len(talked.turns)) == (Ending.TURNS, ADA.turns)


@pytest.mark.parametrize("said", [Text("Hello?", times=3), Text("   ", times=3)])
async def test_a_persona_that_goes_round_in_circles_is_ended(model: Model, provider: ProviderStub, said: Text) -> None:
    await provider.script(said)
    talked = await talk(ADA, model, agent)
    assert talked.ending is Ending.STUCK
    assert len(talked.turns) <= 1


@pytest.mark.parametrize(("answer", "error"), [(HttpError(401), "model_auth_failed"), (Hang(), "persona_timeout")])
async def test_a_model_that_fails_to_play_leaves_what_was_said(model: Model, provider: ProviderStub, answer: Any, error: str) -> None:
    await provider.script(Text("What time is it?"), answer)
    talked = await talk(ADA, model, agent, seconds=1)
    assert (talked.ending, talked.error, len(talked.turns)) == (Ending.SILENT, error, 1)


@pytest.mark.parametrize("said", ["[DONE]", "   "])
async def test_an_agent_that_nobody_asked_has_not_answered(model: Model, provider: ProviderStub, said: str) -> None:
    await provider.script(Text(said))
    with pytest.raises(NotAnswered, match="persona_speechless"):
        await player_of(model)(ADA, agent)
