"""The benchmark's processes, one talking to the other as they do when it runs."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from benchmarks.answers import HttpAnswer
from benchmarks.driver import Driver, start_driver
from benchmarks.measure import measure
from benchmarks.orders import Conversation, Order, Reply
from benchmarks.processes import cpu_seconds
from benchmarks.provider import Provider, start_provider
from benchmarks.report import write_into
from benchmarks.rows import Books, Stage, row_of
from benchmarks.scenario import Scenario
from benchmarks.targets import Target
from benchmarks.users import OUT_OF_TIME

PACED = Scenario(title="", users=3, stages=(2,), tokens=5, tokens_per_second=50)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with start_driver("benchmarks.load", log=tmp_path_factory.mktemp("clients") / "log") as driver:
        yield driver


def order(provider: Provider, scenario: Scenario, *, seconds: float = 30, model: str = "") -> Order:
    conversation = Conversation(url=f"{provider.url}/chat/completions", headers={}, dialect="provider", model=model or scenario.model)
    return Order(scenario=scenario, conversations=[conversation] * scenario.users, first_turn=1, turns=scenario.turns, seconds=seconds)


def test_each_token_is_seen_after_it_was_sent_and_at_the_pace_promised(provider: Provider, clients: Driver) -> None:
    provider.account()
    turns = clients.obey(order(provider, PACED)).turns
    account = provider.account()
    assert [turn.failure for turn in turns] == [""] * 6
    assert account.calls == 6
    for turn in turns:
        sent = account.sent_at[turn.question]
        assert len(sent) == len(turn.seen_at) == 5
        assert turn.began_at < sent[0]
        assert all(there >= here for here, there in zip(sent, turn.seen_at, strict=True))
        assert sent[-1] - turn.began_at > 5 / 50 - 0.005  # the loop counts milliseconds


def test_a_wrong_text_a_refusal_and_lost_time_are_failures(provider: Provider, clients: Driver) -> None:
    wrong = clients.obey(order(provider, PACED, model="stub-4")).turns
    assert {turn.failure for turn in wrong} == {"tokens lost, doubled or swapped"}
    slow = clients.obey(order(provider, replace(PACED, tokens=100), seconds=0.3)).turns
    assert [turn.failure for turn in slow] == [OUT_OF_TIME] * 6
    nowhere = order(provider, PACED)
    lost = [replace(conversation, url=conversation.url + "/none") for conversation in nowhere.conversations]
    assert {turn.failure for turn in clients.obey(replace(nowhere, conversations=lost)).turns} == {"ended as: HTTP 404"}
    stage = Stage(first_turn=1, last_turn=2, turns=[*wrong, *slow], books=Books(seconds=1), rss_bytes=0)
    assert row_of("x", "", replace(PACED, stages=(4,)), [stage], provider.account(), has_database=False, has_clients=True).success_rate == 0


def test_a_driver_that_dies_is_an_error_and_no_silence(provider: Provider, tmp_path: Path) -> None:
    with start_driver("benchmarks.load", log=tmp_path / "log") as driver:
        driver.process.kill()
        with pytest.raises(RuntimeError, match="ended or hung"):
            driver.obey(order(provider, PACED))


def test_tokens_have_their_times_however_they_were_put_into_frames() -> None:
    frames = [
        b'id: 1\nevent: token\ndata: {"content": "t1 t2 ", "done": false}\n\n',
        b': ping\n\nid: 2\nevent: token\ndata: {"content": "t',
        b'3 ", "done": false}\n\nid: 3\nevent: end\ndata: {"status": "completed"}\n\n',
    ]
    lengths = [sum(map(len, frames[: count + 1])) for count in range(3)]
    heard = HttpAnswer(status=200, body=b"".join(frames), lengths=lengths, times=[1, 2, 3], dialect="milepost", whole=False).heard()
    assert (heard.text, heard.ended) == ("t1 t2 t3 ", "completed")
    assert heard.seen_at == [1, 1, 3]


def test_cpu_is_that_of_the_process_and_of_its_children_running_and_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    code = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {burn!r}])\n{burn}print(flush=True)\ntime.sleep(60)"
    with subprocess.Popen((sys.executable, "-c", code), stdout=subprocess.PIPE) as process:  # noqa: S603  # ourselves
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu_seconds(psutil.Process(process.pid)) == pytest.approx(0.65, abs=0.15)
        process.kill()


def test_the_processes_of_a_measurement_have_the_images_bytecode(clients: Driver) -> None:
    variables = clients.process.environ()
    assert variables["PYTHONNODEBUGRANGES"] == "1"
    assert variables["PYTHONPYCACHEPREFIX"].endswith("bytecode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener(Driver):
    """Keeps what the driver is told to do."""

    told: list[Order] = field(default_factory=list)

    def obey(self, order: Order) -> Reply:
        self.told.append(order)
        return Driver.obey(self, order)


def test_what_is_rehearsed_is_said_elsewhere_and_does_not_count(provider: Provider, clients: Driver) -> None:
    scenario = replace(PACED, stages=(2, 1))
    listener = Listener(process=clients.process, orders=clients.orders, replies=clients.replies)
    here = order(provider, scenario).conversations
    elsewhere = [replace(conversation, url=f"{conversation.url}?elsewhere") for conversation in here]
    target = Target(name="stub", how="", process=provider.process, driver=listener, conversations=here, rehearsals=elsewhere)
    row = measure(target, scenario, provider)
    told = [(one.first_turn, one.turns, one.conversations == elsewhere) for one in listener.told]
    assert told == [(-1, 2, True), (0, 1, False), (1, 2, False), (3, 1, False)]
    assert (row.success_rate, row.turns) == (1, 9)


def test_tables_replace_what_stood_between_their_marks_only(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("above\n<!-- chat: begin -->\nold\n<!-- chat: end -->\nbelow\n")
    write_into(document, "chat", "new\n")
    assert document.read_text() == "above\n<!-- chat: begin -->\n\nnew\n\n<!-- chat: end -->\nbelow\n"
    with pytest.raises(ValueError, match="marks"):
        write_into(document, "tools", "new\n")


def test_a_refusal_is_named_by_its_code() -> None:
    body = b'{"status": 503, "code": "server_busy"}'
    answer = HttpAnswer(status=503, body=body, lengths=[len(body)], times=[1], dialect="milepost", whole=False)
    assert answer.heard().ended == "HTTP 503 server_busy"
