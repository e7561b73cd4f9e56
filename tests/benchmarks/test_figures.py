"""The parts of the benchmark that could lie."""

import math
from dataclasses import replace

import pytest

from benchmarks.figures import delays, gaps, percentiles
from benchmarks.orders import Turn
from benchmarks.provider import Account, answer_to
from benchmarks.rows import MISCOUNTED, Books, Row, Stage, failed_row, row_of, with_added_first_token
from benchmarks.scenario import SCENARIOS, Scenario
from benchmarks.users import OUT_OF_TIME
from tests.stub.answers import ToolCalls
from tests.stub.chat import ChatRequest

PACED = Scenario(title="", users=2, stages=(2,), tokens=3, tokens_per_second=10)
BOOKS = Books(target_cpu=0.4, postgres_cpu=0.2, driver_cpu=0.1, provider_cpu=0.1, seconds=2)


def turn(question: str, *seen_at: float, failure: str = "") -> Turn:
    return Turn(question=question, began_at=10, ended_at=11, seen_at=seen_at, failure=failure)


def row(turns: list[Turn], account: Account, scenario: Scenario = PACED, target: str = "server") -> Row:
    stage = Stage(first_turn=1, last_turn=2, turns=turns, books=BOOKS, rss_bytes=1_000_000)
    return row_of(target, "", scenario, [stage], account, has_database=True, has_clients=True)


def test_percentiles_cut_a_hundred_values_where_they_say() -> None:
    cut = percentiles([float(number) for number in range(101)])
    assert (cut.p50, cut.p95, cut.p99) == (50, 95, 99)
    assert percentiles([7]).p99 == 7
    assert math.isnan(percentiles([]).p50)


def test_pauses_are_between_tokens_and_delays_from_here_to_there() -> None:
    assert gaps([1.0, 1.5, 3.0]) == [0.5, 1.5]
    assert delays([1.0, 2.0], [1.25, 2.5]) == [0.25, 0.5]
    with pytest.raises(ValueError, match="shorter"):
        delays([1.0, 2.0], [1.25])


def test_a_relay_is_measured_against_the_answer_to_the_same_question() -> None:
    sent = {"a": [10.0, 10.1, 10.2], "b": [20.0, 20.1, 20.2]}
    measured = row([turn("b", 20.5, 20.6, 20.7), turn("a", 10.25, 10.35, 10.45)], Account(calls=2, sent_at=sent))
    assert measured.relay_ms is not None
    assert measured.relay_ms.p50 == pytest.approx(375)
    assert measured.relay_ms.p99 == pytest.approx(500)


def test_a_failed_turn_lowers_the_rate_and_makes_the_others_dearer() -> None:
    sent = {name: [10.0, 10.1, 10.2] for name in "abc"}
    turns = [turn("a", 10.1, 10.2, 10.3), turn("b", 10.1, 10.2), turn("c", failure="HTTP 503")]
    measured = row(turns, Account(sent_at=sent))
    assert measured.success_rate == 0.25
    assert measured.failures == {MISCOUNTED: 1, "HTTP 503": 1, OUT_OF_TIME: 1}  # of four turns, one was never asked
    assert measured.cpu_ms_per_turn == 400
    assert measured.postgres_cpu_ms_per_turn == 200
    assert measured.cpu_us_per_token == pytest.approx(400_000 / 3)


def test_a_target_that_cannot_be_measured_is_a_row_without_figures() -> None:
    measured = failed_row("server", PACED, "it did not start")
    assert (measured.success_rate, measured.failures) == (0, {"it did not start": 4})
    assert math.isnan(measured.cpu_ms_per_turn)


def test_the_first_token_is_set_against_the_stubs_own() -> None:
    account = Account(sent_at={"a": [10.0, 10.1, 10.2]})
    stub, server = row([turn("a", 10.2, 10.3, 10.4)], account, target="stub"), row([turn("a", 10.25, 10.3, 10.4)], account)
    assert [one.added_first_token_ms for one in with_added_first_token([stub, server])] == [None, pytest.approx(50)]
    assert with_added_first_token([server])[0].added_first_token_ms is None


@pytest.mark.parametrize(("name", "share"), [("tools", 0.2), ("long-session", 0.5), ("chat", 0)])
def test_exactly_the_promised_share_of_calls_is_answered_with_a_tool_call(name: str, share: float) -> None:
    scenario = SCENARIOS[name]
    asked = [
        {"role": "user", "content": scenario.question(user, turn + 1)} for user in range(scenario.users) for turn in range(scenario.turns)
    ]
    first = [answer_to(ChatRequest(model=scenario.model, messages=[message]), may_call=True) for message in asked]
    calling = [message for message, answer in zip(asked, first, strict=True) if isinstance(answer, ToolCalls)]
    result = {"role": "tool", "content": "noon", "tool_call_id": "call_1"}
    second = [answer_to(ChatRequest(model=scenario.model, messages=[message, result]), may_call=True) for message in calling]
    assert not any(isinstance(answer, ToolCalls) for answer in second)
    assert len(calling) / (len(first) + len(second)) == share


def test_no_two_questions_are_the_same() -> None:
    for scenario in SCENARIOS.values():
        turns = replace(scenario, stages=(4,)).turns
        questions = [scenario.question(user, turn) for user in range(scenario.users) for turn in range(turns)]
        assert len(questions) == len({*questions})
