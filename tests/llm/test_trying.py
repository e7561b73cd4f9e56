"""A call survives a provider's bad day: it is tried again, then asked of another model, within its time."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from structlog.testing import capture_logs

from app import signals
from app.agent.tools import TOOLS
from app.errors import ModelError, ModelRejected, ModelUnavailable
from app.llm.asking import Asker
from app.llm.breaker import BreakerState
from app.llm.budget import TurnBudget
from app.llm.catalog import ModelSpec
from app.llm.choice import Choice
from app.llm.demo import DemoModel
from app.llm.models import Model, Models, open_models
from app.llm.trying import Trying
from app.settings import ModelSettings, Settings
from tests.fakes import HeardAll
from tests.stub.answers import Answer, Ending, Hang, HttpError, Raw, Refusal, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.told import Told, hearing, of

HERE, THERE = Text("Here."), Text("There.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Somebody asks, and the two providers that may answer."""

    first: ProviderStub
    second: ProviderStub
    models: Models
    heard: HeardAll
    asker: Asker

    async def says(self, question: str = "Well?") -> str:
        return (await self.asker.ask([HumanMessage(question)], tools=TOOLS)).text

    async def fails(self) -> ModelError:
        with pytest.raises(ModelError) as failed:
            await self.says()
        return failed.value

    async def asked(self) -> tuple[int, int]:
        """How often each provider was asked."""
        return len(await self.first.requests()), len(await self.second.requests())

    def tries(self) -> list[tuple[str, str | None]]:
        return [(call.model, call.error_code) for call in self.heard.calls]


@pytest.fixture
def variables_of_test(
    variables_of_test: dict[str, str], two_providers: dict[str, str], request: pytest.FixtureRequest
) -> Mapping[str, str]:
    marked = request.node.get_closest_marker("variables")
    return {**variables_of_test, "LLM_MAX_RETRIES": "1", "LLM_IDLE_SECONDS": "0.5", **two_providers, **(marked.kwargs if marked else {})}


@pytest.fixture
async def scene(settings: Settings, provider: ProviderStub, second_provider: ProviderStub) -> AsyncIterator[Scene]:
    async with _open(settings, provider, second_provider) as scene:
        yield scene


@asynccontextmanager
async def _open(settings: Settings, first: ProviderStub, second: ProviderStub) -> AsyncIterator[Scene]:
    heard = HeardAll()
    async with open_models(settings.models, settings.model_keys) as models:
        yield Scene(first=first, second=second, models=models, heard=heard, asker=Asker(models, None, heard))


TIMEOUT, DROPPED = {"model_timeout"}, {"model_unavailable", "model_bad_answer"}
FAULTS = [
    (HttpError(408), TIMEOUT),
    (HttpError(409), {"model_unavailable"}),
    (HttpError(429), {"model_rate_limited"}),
    (HttpError(500), {"model_unavailable"}),
    (HttpError(503), {"model_unavailable"}),
    (HttpError(529), {"model_unavailable"}),
    (Hang(), TIMEOUT),
    (Text("Never.", ending="reset", after=0), DROPPED),
    (Text("Never.", ending="truncate", after=0), DROPPED),
    (Text("Never.", ending="error", after=0), DROPPED),
]


@pytest.mark.parametrize(("fault", "codes"), FAULTS)
async def test_what_may_pass_is_tried_again_on_the_same_model(fault: Answer, codes: set[str | None], scene: Scene) -> None:
    await scene.first.script(fault, HERE)
    assert await scene.says() == "Here."
    assert await scene.asked() == (2, 0)
    [failed, answered] = scene.tries()
    assert (failed[0], failed[1] in codes, answered) == ("first", True, ("first", None))


@pytest.mark.parametrize("fault", [fault for fault, _ in FAULTS])
async def test_what_does_not_pass_is_asked_of_the_next_model(fault: Answer, scene: Scene) -> None:
    await scene.first.script(fault, fault)
    await scene.second.script(THERE)
    assert await scene.says() == "There."
    assert await scene.asked() == (2, 1)
    assert [model for model, _ in scene.tries()] == ["first", "first", "second"]
    tools = [request.body["tools"] for request in (*await scene.first.requests(), *await scene.second.requests())]
    assert tools[0] == tools[-1] != []


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_request_at_fault_is_asked_once_and_of_nobody_else(status: int, scene: Scene) -> None:
    await scene.first.script(HttpError(status))
    assert (await scene.fails()).code == "model_rejected"
    assert await scene.asked() == (1, 0)


@pytest.mark.parametrize("refusal", [Refusal("I would rather not."), Text("Well, first you", finish_reason="content_filter")])
async def test_a_refusal_is_taken_for_an_answer_but_told_as_what_it_is(refusal: Answer, scene: Scene) -> None:
    await scene.first.script(refusal)
    assert (await scene.fails()).code == "model_refused"
    assert await scene.asked() == (1, 0)
    assert scene.tries() == [("first", "model_refused")]
    assert scene.heard.calls[0].output_tokens > 0, "it is billed"


@pytest.mark.parametrize(("status", "code"), [(401, "model_auth_failed"), (403, "model_forbidden")])
async def test_a_key_at_fault_is_not_tried_again_but_another_model_is_asked(status: int, code: str, scene: Scene) -> None:
    await scene.first.script(HttpError(status))
    assert await scene.says() == "You said: Well?"
    assert await scene.asked() == (1, 1)
    await scene.first.script(HttpError(status))
    await scene.second.script(HttpError(503, times=2))
    assert (await scene.fails()).code == code


async def test_a_stand_in_that_does_not_take_the_request_leaves_the_first_error(scene: Scene) -> None:
    await scene.first.script(HttpError(429, retry_after="3600"))
    await scene.second.script(HttpError(404))
    failed = await scene.fails()
    assert (failed.code, failed.extra) == ("model_rate_limited", {"retry_after": 3600})
    assert await scene.asked() == (1, 1)


async def test_the_circle_goes_round_from_the_named_model(scene: Scene) -> None:
    await scene.second.script(HttpError(500, times=2))
    await scene.first.script(HERE)
    asker = Asker(scene.models, "second", scene.heard)
    assert (await asker.ask([HumanMessage("Well?")])).text == "Here."
    assert scene.tries()[-1] == ("first", None)
    assert await scene.says() == "You said: Well?"
    assert scene.tries()[-1] == ("first", None), "what one call chose is no other's business"


@pytest.mark.parametrize(("allowed", "tries"), [({"first"}, (1, 0)), ({"first", "second"}, (1, 1)), (None, (1, 1))])
async def test_in_its_stead_only_a_model_is_asked_that_the_users_tier_may_use(
    allowed: set[str] | None, tries: tuple[int, int], scene: Scene
) -> None:
    await scene.first.script(HttpError(401))
    asker = Asker(scene.models, None, scene.heard, allowed=None if allowed is None else frozenset(allowed))
    if tries == (1, 0):
        with pytest.raises(ModelError):
            await asker.ask([HumanMessage("Well?")])
    else:
        assert (await asker.ask([HumanMessage("Well?")])).text == "You said: Well?"
    assert await scene.asked() == tries


def test_who_stands_in_for_whom() -> None:
    specs = [
        ModelSpec(name="dear", fallback=False),
        ModelSpec(name="first"),
        ModelSpec(name="demo", provider="demo"),
        ModelSpec(name="second"),
        ModelSpec(name="third"),
    ]
    models = [Model(spec=spec, client=DemoModel()) for spec in specs]
    circle = Models(models, Choice(specs=specs, default="first"), ModelSettings(LLM_FALLBACK=True)).circle
    assert [model.spec.name for model in circle("second")] == ["second", "third", "first"]
    assert [model.spec.name for model in circle("dear")] == ["dear", "first", "second", "third"]
    alone = Models(models, Choice(specs=specs, default="first"), ModelSettings(LLM_FALLBACK=False)).circle
    assert [model.spec.name for model in alone("second")] == ["second"]


@pytest.mark.variables(LLM_FALLBACK="false")
async def test_without_fallback_nobody_else_is_asked(scene: Scene) -> None:
    await scene.first.script(HttpError(503, times=2))
    assert (await scene.fails()).code == "model_unavailable"
    assert await scene.asked() == (2, 0)


async def test_a_retry_after_is_waited_for(scene: Scene) -> None:
    await scene.first.script(HttpError(429, retry_after="1"), HERE)
    began = time.monotonic()
    assert await scene.says() == "Here."
    assert time.monotonic() - began >= 1


@pytest.mark.variables(LLM_FALLBACK="false", LLM_TURN_SECONDS="60")
async def test_a_retry_after_that_outlasts_the_turn_is_told_at_once(scene: Scene) -> None:
    await scene.first.script(HttpError(429, retry_after="61"))
    async with asyncio.timeout(30):
        assert (await scene.fails()).extra == {"retry_after": 61}


async def test_an_answer_that_breaks_off_is_taken_back_before_the_next_model_begins(scene: Scene) -> None:
    await scene.first.script(Text("It is a long", ending="reset", after=2))
    await scene.second.script(THERE)
    assert await scene.says() == "There."
    assert await scene.asked() == (1, 1)
    # Tokens that come in one read are told as one.
    assert [name for name, _ in groupby(name for name, *_ in scene.heard.heard)] == ["token", "taken_back", "token"]


@pytest.mark.variables(LLM_FALLBACK="false")
async def test_where_there_is_no_other_model_the_same_one_answers_anew(scene: Scene) -> None:
    await scene.first.script(Text("It is a long", ending="truncate", after=2), HERE)
    assert await scene.says() == "Here."
    # Tokens that come in one read are told as one.
    assert [name for name, _ in groupby(name for name, *_ in scene.heard.heard)] == ["token", "taken_back", "token"]


async def test_what_was_said_last_stays_when_no_try_follows(scene: Scene) -> None:
    await scene.first.script(Text("One two", ending="reset", after=1))
    await scene.second.script(Text("Three four", ending="reset", after=1, times=2))
    assert (await scene.fails()).code in DROPPED
    assert [name for name, *_ in scene.heard.heard] == ["token", "taken_back", "token", "taken_back", "token"]


@pytest.mark.variables(LLM_CALL_SECONDS="0.4")
async def test_a_call_that_takes_too_long_counts_against_the_model(scene: Scene) -> None:
    await scene.first.script(Text(pieces=["more "] * 100, seconds_between=0.1))
    await scene.second.script(ToolCalls([ToolCall("current_time")]))
    assert (await scene.asker.ask([HumanMessage("Well?")], tools=TOOLS)).tool_calls
    assert scene.tries() == [("first", "model_timeout"), ("second", None)]


@pytest.mark.variables(LLM_TURN_SECONDS="0.4", LLM_BREAKER_FAILURES="1")
async def test_a_turns_time_is_that_of_all_its_calls_and_no_models_fault(scene: Scene) -> None:
    assert await scene.says() == "You said: Well?"
    await asyncio.sleep(0.5)  # a tool's time is not the models'
    await scene.first.script(Hang(), HERE)
    assert (await scene.fails()).code == "model_timeout"
    assert (await scene.fails()).code == "model_timeout"
    assert await scene.asked() == (2, 0)
    assert scene.models.state("first") is BreakerState.CLOSED


@pytest.mark.variables(LLM_BREAKER_FAILURES="2", LLM_BREAKER_SECONDS="60")
async def test_a_model_whose_breaker_is_open_is_left_out_until_it_is_well(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.first.script(HttpError(503, times=2))
    for _ in range(3):
        assert await scene.says() == "You said: Well?"
    assert await scene.asked() == (2, 3)
    assert (scene.models.state("first"), scene.models.state("second")) == (BreakerState.OPEN, BreakerState.CLOSED)
    real = time.monotonic
    monkeypatch.setattr("app.llm.breaker.time.monotonic", lambda: real() + 60)
    assert scene.models.state("first") is BreakerState.HALF_OPEN
    await scene.first.script(HERE)
    assert await scene.says() == "Here."
    assert scene.models.state("first") is BreakerState.CLOSED


@pytest.mark.variables(LLM_BREAKER_FAILURES="1", LLM_BREAKER_SECONDS="60")
async def test_when_all_breakers_are_open_the_first_model_is_asked_once_all_the_same(scene: Scene) -> None:
    await scene.first.script(HttpError(503, times=2))
    await scene.second.script(HttpError(500))
    assert (await scene.fails()).code == "model_unavailable"
    assert await scene.asked() == (1, 1)
    assert (await scene.fails()).code == "model_unavailable"
    assert await scene.asked() == (2, 1)
    assert await scene.says() == "You said: Well?"
    assert scene.models.state("first") is BreakerState.CLOSED


@pytest.mark.variables(LLM_BREAKER_FAILURES="1", LLM_BREAKER_SECONDS="60")
async def test_a_model_that_was_not_asked_is_not_blamed_with_anothers_error(scene: Scene) -> None:
    await scene.first.script(HttpError(503))
    assert await scene.says() == "You said: Well?"
    await scene.second.script(HttpError(404))
    failed = await scene.fails()
    assert (failed.code, failed.detail, failed.extra) == (
        "model_unavailable",
        "The model has failed of late and is left alone for a moment, and no other answered.",
        {},
    )
    assert await scene.asked() == (1, 2)


async def test_a_stand_in_that_refuses_the_request_is_not_the_last_one_asked() -> None:
    specs = [ModelSpec(name=name) for name in ("down", "small", "large")]
    settings = ModelSettings(LLM_FALLBACK=True, LLM_BREAKER_FAILURES=1)
    models = Models([Model(spec=spec, client=DemoModel()) for spec in specs], Choice(specs=specs, default="down"), settings)
    with pytest.raises(ModelUnavailable), models.breaker(models.get("down")).watching():
        raise ModelUnavailable
    assert (await Trying(_OnlyTheLarge(), models, TurnBudget(60)).answer("down")).text == "large"


class _OnlyTheLarge:
    heard = False

    async def once(self, model: Model) -> AIMessage:
        if model.spec.name != "large":
            raise ModelRejected
        return AIMessage(model.spec.name)

    def take_back(self, reason: str) -> None: ...


@pytest.mark.variables(LLM_BREAKER_FAILURES="1", LLM_BREAKER_SECONDS="60")
async def test_each_failed_call_and_each_change_of_model_is_one_warning_without_words(scene: Scene) -> None:
    await scene.first.script(HttpError(503))
    await scene.second.script(HttpError(401))
    with capture_logs() as logged:
        await scene.fails()
        assert await scene.says("canary") == "You said: canary"
    failed = {"event": "model_call_failed", "log_level": "warning", "purpose": "answer"}
    moved = {"event": "model_fallback", "log_level": "warning", "model": "first", "next_model": "second"}
    assert [entry for entry in logged if not entry["event"].startswith("model_breaker")] == [
        {**failed, "model": "first", "error": "model_unavailable"},
        {**moved, "error": "model_unavailable"},
        {**failed, "model": "second", "error": "model_auth_failed"},
        {**moved, "error": None},  # its breaker is open
    ]


async def test_a_call_that_is_stopped_is_no_failure(scene: Scene) -> None:
    await scene.first.script(Hang())
    with capture_logs() as logged:
        asking = asyncio.create_task(scene.says())
        await scene.first.wait_until_asked()
        asking.cancel()
        await asyncio.wait([asking])
    assert (asking.cancelled(), logged) == (True, [])


@pytest.mark.variables(LLM_BREAKER_FAILURES="5", LLM_BREAKER_SECONDS="60")
async def test_fifty_calls_at_once_survive_a_first_provider_that_is_down(scene: Scene) -> None:
    await scene.first.script(HttpError(503, times=200))
    askers = [Asker(scene.models, None, HeardAll()) for _ in range(50)]
    answers = await asyncio.gather(*(asker.ask([HumanMessage(f"I am {number}.")]) for number, asker in enumerate(askers)))
    assert [answer.text for answer in answers] == [f"You said: I am {number}." for number in range(50)]
    assert await scene.asked() == (50, 50), "nobody tries again what is known to be down"


HALVES = b"""data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "a\\ud800b \\ud83d"}}]}

data: {"choices": [{"index": 0, "delta": {"content": "\\ude00"}}]}

data: {"choices": [{"index": 0, "delta": {"tool_calls": [
data:   {"index": 0, "id": "call-1", "type": "function",
data:   "function": {"name": "web_search", "arguments": "{\\"query\\": \\"\\\\ud83d\\"}"}}]}}]}

data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}

data: [DONE]

"""


@pytest.mark.parametrize("client", [pytest.param(name, marks=pytest.mark.variables(LLM_CLIENT=name)) for name in ("lean", "stock")])
async def test_half_a_character_in_an_answer_does_not_keep_the_next_from_being_asked_for(client: str, scene: Scene) -> None:
    await scene.first.script(Raw([HALVES]), Text("Yes."))
    answer = await scene.asker.ask([HumanMessage("Well?")], tools=TOOLS)
    assert (answer.text, answer.tool_calls[0]["args"]) == ("a\ufffdb 😀", {"query": "\ufffd"}), client
    result = ToolMessage("Nothing.", tool_call_id="call-1")
    assert (await scene.asker.ask([HumanMessage("Well?"), answer, result], tools=TOOLS)).text == "Yes."
    assert await scene.asked() == (2, 0)


TRIES = (signals.model_called, signals.model_retried, signals.model_fell_back, signals.answer_reset)


def _calls(told: Told) -> list[tuple[str, str]]:
    return [(call["model"], call["error"]) for (call,) in of(told, signals.model_called)]


async def test_each_try_is_told_once_and_what_came_between(scene: Scene) -> None:
    await scene.first.script(HttpError(503), HttpError(500))
    await scene.second.script(THERE)
    with hearing(*TRIES) as told:
        await scene.says()
    assert [one[0] for one in told] == ["model_called", "model_retried", "model_called", "model_fell_back", "model_called"]
    assert _calls(told) == [("first", "model_unavailable"), ("first", "model_unavailable"), ("second", "")]
    assert of(told, signals.model_retried) == [("first", "model_unavailable")]
    assert of(told, signals.model_fell_back) == [("first", "second", "model_unavailable")]
    assert len(scene.heard.calls) == 3
    for call, (heard,) in zip(scene.heard.calls, of(told, signals.model_called), strict=True):
        assert heard == {
            "model": call.model,
            "purpose": "answer",
            "error": call.error_code or "",
            "seconds": call.latency_ms / 1_000,
            "first_token_seconds": None if call.first_token_ms is None else call.first_token_ms / 1_000,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "cached_tokens": call.cached_tokens,
            "reasoning_tokens": call.reasoning_tokens,
            "cost_usd": call.cost_usd,
            "from_cache": False,
        }
    assert scene.heard.calls[-1].output_tokens > 0


@pytest.mark.parametrize(("ending", "resets"), [("reset", ["first"]), ("done", [])])
async def test_an_answer_that_breaks_off_is_told_as_taken_back_once(ending: Ending, resets: list[str], scene: Scene) -> None:
    await scene.first.script(Text("one two three", ending=ending, after=2 if resets else None))
    with hearing(*TRIES) as told:
        await scene.says()
    assert [model for (model,) in of(told, signals.answer_reset)] == resets


async def test_an_answer_that_never_began_is_not_taken_back(scene: Scene) -> None:
    await scene.first.script(HttpError(503), HERE)
    with hearing(signals.answer_reset) as told:
        await scene.says()
    assert told == []


@pytest.mark.variables(LLM_BREAKER_FAILURES="1", LLM_BREAKER_SECONDS="60")
async def test_a_model_that_is_left_out_is_told_without_an_error(scene: Scene) -> None:
    await scene.first.script(HttpError(503))
    with hearing(*TRIES, signals.breaker_moved) as told:
        await scene.says()
        await scene.says()
    assert of(told, signals.model_fell_back) == [("first", "second", "model_unavailable"), ("first", "second", "")]
    assert of(told, signals.breaker_moved) == [("first", "open")]
    assert _calls(told) == [("first", "model_unavailable"), ("second", ""), ("second", "")]
