"""Two experiments side by side, judged in both orders."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from evals.answers import Answer, Turn
from evals.asking import Judging
from evals.cases import Case
from evals.commands.pairwise import told
from evals.experiment import Experiment, Result
from evals.pairwise import compare_pairs
from tests.evals.judged_by import open_judging
from tests.stub.answers import Text
from tests.stub.client import ProviderStub


@pytest.fixture
async def judging(provider: ProviderStub, tmp_path: Path) -> AsyncIterator[Judging]:
    async with open_judging(provider, tmp_path) as judging:
        yield judging


def experiment(name: str, *texts: str) -> Experiment:
    cases = [Case(id=f"case-{number}", input=f"Question {number}?") for number in range(len(texts))]
    answers = [
        Answer(case_id=case.id, attempt=1, turns=[Turn(said=case.says[0], text=text)], error="" if text else "run_timeout")
        for case, text in zip(cases, texts, strict=True)
    ]
    return Experiment(
        id=name,
        name=name,
        began_at=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=1,
        dataset="one",
        dataset_version=1,
        digest="",
        target={},
        settings={},
        metrics=(),
        results=[Result(case=case, answer=answer, scores=()) for case, answer in zip(cases, answers, strict=True)],
    )


def better(choice: str, when: str = "", times: int = 1) -> Text:
    return Text(json.dumps({"reasoning": f"The {choice} is.", "better": choice}), when=when, times=times)


def in_order(first: str, second: str) -> str:
    """What only a request has that shows these answers in this order."""
    return f'"assistant": "{first}"}}], "second": [{{"user": "Question 0?", "assistant": "{second}"'


async def test_an_answer_that_is_better_in_both_orders_wins(judging: Judging, provider: ProviderStub) -> None:
    await provider.script(better("second", in_order("Bad.", "Good.")), better("first", in_order("Good.", "Bad.")))
    found = await compare_pairs(experiment("a", "Bad."), experiment("b", "Good."), judging)
    assert [each.better for each in found.preferences] == ["other"]
    assert (found.wins_of_other.value, found.wins_of_other.n, found.ties) == (1, 1, 0)
    assert (found.consistent.value, found.first_place.value) == (1, 0.5)
    assert found.cost_usd


async def test_a_judge_that_always_takes_the_first_decides_nothing_and_is_seen(judging: Judging, provider: ProviderStub) -> None:
    texts = [f"Answer {number}." for number in range(10)]
    await provider.script(better("first", times=20))
    found = await compare_pairs(experiment("a", *texts), experiment("b", *texts), judging)
    assert (found.ties, found.wins_of_other.n, found.consistent.value) == (10, 0, 0)
    assert all(each.by_order for each in found.preferences)
    assert found.first_place.value == 1
    assert "The order sways this judge" in told(found)


async def test_ties_are_ties_and_say_nothing_of_the_order(judging: Judging, provider: ProviderStub) -> None:
    await provider.script(better("tie", times=2))
    found = await compare_pairs(experiment("a", "Yes."), experiment("b", "Yes!"), judging)
    assert (found.ties, found.consistent.value, found.first_place.n) == (1, 1, 0)
    assert "The order sways" not in told(found)


async def test_what_failed_or_stands_alone_is_not_compared(judging: Judging, provider: ProviderStub) -> None:
    await provider.script(better("tie", times=2))
    found = await compare_pairs(experiment("a", "Yes.", "", "Alone."), experiment("b", "Yes!", "No."), judging)
    assert [each.case_id for each in found.preferences] == ["case-0"]


@pytest.mark.parametrize("said", ['{"reasoning": "", "better": "both"}', "The first."])
async def test_what_is_no_preference_is_no_tie(judging: Judging, provider: ProviderStub, said: str) -> None:
    await provider.script(better("tie"), Text(said))
    found = await compare_pairs(experiment("a", "Yes."), experiment("b", "Yes!"), judging)
    assert (found.unreadable, found.ties) == (1, 0)


def test_an_experiment_is_read_as_it_is_kept() -> None:
    kept = TypeAdapter(Experiment)
    assert kept.validate_json(kept.dump_json(experiment("a", "Yes."))).results[0].answer.text == "Yes."


async def test_a_few_pairs_that_the_order_decided_are_no_proof_that_it_does(judging: Judging, provider: ProviderStub) -> None:
    await provider.script(better("first", times=6))
    found = await compare_pairs(experiment("a", "1", "2", "3"), experiment("b", "4", "5", "6"), judging)
    assert (found.first_place.value, found.first_place.n) == (1, 3)
    assert "The order sways" not in told(found), "three pairs, and not six throws of a coin"


async def test_repeats_of_a_case_are_one_case(judging: Judging, provider: ProviderStub) -> None:
    await provider.script(better("first", '"first": [{"user": "Question 0?", "assistant": "Good', times=3), better("second", times=3))
    one, other = (_repeated(experiment(name, text)) for name, text in (("a", "Bad."), ("b", "Good.")))
    found = await compare_pairs(one, other, judging)
    assert (len(found.preferences), found.wins_of_other.value, found.wins_of_other.n, found.consistent.n) == (3, 1, 1, 1)


async def test_a_case_that_asks_something_else_by_now_is_no_pair(judging: Judging) -> None:
    one, other = experiment("a", "Yes."), experiment("b", "Yes!")
    [result] = other.results
    changed = replace(other, results=[replace(result, case=result.case.model_copy(update={"input": "Another question?"}))])
    assert (await compare_pairs(one, changed, judging)).preferences == []


def _repeated(seen: Experiment) -> Experiment:
    [result] = seen.results
    return replace(seen, results=[replace(result, answer=replace(result.answer, attempt=attempt)) for attempt in (1, 2, 3)])
