"""What Langfuse has becomes cases: its datasets, and runs with their words, once it shows them."""

import json
from collections.abc import Mapping

import pytest

from app.settings import Settings
from evals.errors import EvalsError, Misused
from evals.sources.langfuse import langfuse_dataset, langfuse_runs, open_langfuse, said_in
from tests.langfuse_stub import LangfuseStub
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], langfuse: LangfuseStub) -> dict[str, str]:
    return {**langfuse.variables, **variables_of_test}


async def test_a_dataset_of_langfuse_is_one_of_ours(settings: Settings, langfuse: LangfuseStub) -> None:
    langfuse.items["greetings"] = [
        {"id": "one", "input": "Hello", "expectedOutput": "Good day."},
        {"id": "t/w o", "input": {"messages": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}]}},
        {"id": "three", "input": json.dumps({"question": "Write to ada@example.com?"}), "expectedOutput": {"answer": "No."}},
        {"id": "old", "input": "Hello", "status": "ARCHIVED"},
        {"id": "number", "input": 12},
    ]
    async with open_langfuse(settings) as client:
        dataset = await langfuse_dataset(client, "greetings")
    assert [(case.id, case.input, case.reference) for case in dataset.cases] == [
        ("item-one", "Hello", "Good day."),
        ("item-t-w-o", "Hi", None),
        ("item-three", "Write to [email]?", "No."),
    ]


async def test_a_dataset_that_is_not_there_is_told(settings: Settings, langfuse: LangfuseStub) -> None:
    async with open_langfuse(settings) as client:
        with pytest.raises(EvalsError, match="no dataset nope"):
            await langfuse_dataset(client, "nope")
        langfuse.api_status = 500
        with pytest.raises(EvalsError, match="refused"):
            await langfuse_dataset(client, "nope")


@pytest.mark.variables(TRACE_TEXT="true")
async def test_runs_come_with_their_answers_once_langfuse_shows_them(
    settings: Settings, ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub
) -> None:
    await provider.script(Text("Good day."), Text("Goodbye."))
    for message in ("Hello", "Bye"):
        await ada.ask(await ada.open_session(), message)
    await langfuse.until(2, "assistant")
    langfuse.lag = 2
    async with open_langfuse(settings) as client:
        found = await langfuse_runs(client, limit=2, since=None, wait_seconds=20)
        assert langfuse.lag == 0
        assert {(case.input, answer.text) for case, answer in found} == {("Hello", "Good day."), ("Bye", "Goodbye.")}
        assert all(not case.reviewed and answer.case_id == case.id for case, answer in found)
        assert len(await langfuse_runs(client, limit=1, since=None)) == 1


async def test_runs_without_their_words_are_none(settings: Settings, ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub) -> None:
    await provider.script(Text("Good day."))
    await ada.ask(await ada.open_session(), "Hello")
    await langfuse.until(1, "assistant")
    async with open_langfuse(settings) as client:
        with pytest.raises(EvalsError, match="TRACE_TEXT"):
            await langfuse_runs(client, limit=1, since=None)


@pytest.mark.variables(LANGFUSE_PUBLIC_KEY="", LANGFUSE_SECRET_KEY="")
async def test_without_its_keys_langfuse_is_not_asked(settings: Settings) -> None:
    with pytest.raises(Misused, match="LANGFUSE_PUBLIC_KEY"):
        await open_langfuse(settings).__aenter__()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("Hello", ["Hello"]),
        ('"Hello"', ["Hello"]),
        ("{no json", ["{no json"]),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Bye"}], ["Hi", "Bye"]),
        ({"input": {"content": "Hello"}}, ["Hello"]),
        ({"number": 1}, []),
        (None, []),
        ("  ", []),
    ],
)
def test_what_somebody_said_is_found_in_the_shapes_that_people_trace(told: object, said: list[str]) -> None:
    assert [*said_in(told)] == said
