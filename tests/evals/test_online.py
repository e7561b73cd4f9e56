"""Answers that users were given are judged: a sample of them, each once by every judge, for so much money a day."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from app import signals
from app.errors import SettingsInvalid
from app.judging import judging_of
from app.llm.models import Models, open_models
from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all, open_database
from app.persistence.erasing import Erasing
from app.persistence.judgements import JudgementTable
from app.persistence.ledger import LedgerTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import RunStatus, Session
from app.runs.ledger import Ledger
from app.settings import Settings
from app.wiring import open_services
from tests.evals.judged_by import verdict
from tests.persistence.rows import Process, answered, claimed, finished, jobs, process
from tests.stub.answers import Hang, HttpError, Text
from tests.stub.client import ProviderStub
from tests.told import hearing, of

ON = {"EVALS_ONLINE_RATE": "1", "EVALS_ONLINE_MODEL": "gpt-5"}
ALL = ("helpfulness", "safety")
COUNTERS = 'SELECT day_tokens, month_usd FROM "user", quota_now("user".id)'
SAID = "I am Zyxcanary, and write to zyx@example.com. My password is Engine-1843!"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Ada, her session, and a worker that has her answers judged."""

    database: Database
    here: Process
    ada: User
    session: Session
    settings: Settings
    models: Models

    async def said(self, text: str = "Where is Oslo?", **changes: Any) -> UUID:
        """A turn that is over; the answer is what was asked in small letters."""
        return (await answered(self.here, self.ada, self.session, text, **changes)).id

    async def judge(self, run_id: UUID) -> None:
        ledger = Ledger(LedgerTable(self.database.pool))
        await judging_of(self.settings, self.models, ledger, self.database.pool).judge(run_id)

    async def due(self, rate: float = 1) -> Sequence[UUID]:
        await JudgementTable(self.database.pool).queue_due(rate, ALL)
        return await jobs(self.database, "judge_run")

    async def judgements(self) -> list[tuple[str, float | None, str]]:
        rows = await self.rows("SELECT metric, value, error FROM judgement ORDER BY run_id, metric")
        return [(row["metric"], row["value"], row["error"]) for row in rows]

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        return await fetch_all(self.database.pool, statement, {})

    async def change(self, statement: str) -> None:
        await execute(self.database.pool, statement, {})


@pytest_asyncio.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with (
        open_database(settings.database.url, settings.database) as database,
        open_models(settings.models, settings.model_keys) as models,
    ):
        ada = await UserTable(database).add("ada@example.com", "not-a-hash")
        session = await SessionTable(database).add(ada.id, "")
        yield Scene(database=database, here=process(database), ada=ada, session=session, settings=settings, models=models)


async def asked(provider: ProviderStub, times: int) -> None:
    async with asyncio.timeout(20):
        while len(await provider.requests()) < times:  # noqa: ASYNC110  # another thread's
            await asyncio.sleep(0.01)


async def test_at_rate_0_nobody_is_asked(scene: Scene) -> None:
    work = judging_of(scene.settings, scene.models, Ledger(LedgerTable(scene.database.pool)), scene.database.pool)
    assert work.chores == ()
    run = await scene.said()
    assert await scene.due(0) == []
    await work.jobs["judge_run"](run_id=str(run))
    assert await scene.judgements() == [], "nor is what was queued before"


async def test_at_rate_1_each_answered_run_is_due_until_it_is_judged(scene: Scene) -> None:
    runs = [await scene.said(f"Question {number}") for number in range(3)]
    failed = await claimed(scene.here, scene.ada, scene.session)
    assert await scene.here.runs.finish(finished(failed, status=RunStatus.FAILED, error_code="model_timeout"))
    assert await scene.due() == runs
    assert await scene.due() == runs, "of which each waits once"


async def test_nothing_temporary_and_nothing_old_is_due(scene: Scene) -> None:
    old = UUID(int=int((time.time() - 7 * 3600) * 1000) << 80)
    await scene.said(id=old)
    assert await scene.due() == []
    run = await scene.said()
    await scene.change("UPDATE session SET temporary = true")
    assert await scene.due() == []
    await scene.change("UPDATE session SET temporary = false")
    assert await scene.due() == [run]


async def test_two_workers_sample_the_same_and_a_larger_share_has_all_of_a_smaller(scene: Scene) -> None:
    runs = [await scene.said(f"Question {number}") for number in range(40)]
    sampled = [run for run in runs if int(md5(str(run).encode(), usedforsecurity=False).hexdigest()[:8], 16) < 0.4 * 2**32]
    another = JudgementTable(scene.database.pool)
    await asyncio.gather(*(table.queue_due(0.4, ALL) for table in (another, JudgementTable(scene.database.pool))))
    assert await scene.due(0.4) == sampled
    assert 0 < len(sampled) < len(runs)
    assert {*await scene.due(0.7)} >= {*sampled}


@pytest.mark.variables(**ON)
async def test_a_run_is_judged_once_by_each_judge_at_the_operators_expense(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(verdict(0.5), verdict(True))
    run = await scene.said()
    await scene.rows(COUNTERS)  # from here on they are added to
    with hearing(signals.judged) as told:
        await scene.judge(run)
        await scene.judge(run)
    assert await scene.judgements() == [("helpfulness", 0.5, ""), ("safety", 1, "")]
    assert of(told, signals.judged) == [
        ("helpfulness", "ok", 0.5),
        ("safety", "ok", 1),
    ]
    assert len(await provider.requests()) == 2
    assert await scene.due() == []
    calls = await scene.rows("SELECT purpose, model, user_id, cost_usd > 0 AS paid FROM model_call")
    assert calls == [{"purpose": "judge", "model": "gpt-5", "user_id": scene.ada.id, "paid": True}] * 2
    today = (await scene.rows("SELECT (now() AT TIME ZONE 'UTC')::date AS day"))[0]["day"]
    assert (await LedgerTable(scene.database.pool).spent(scene.ada.id, today, today))[1].calls == 0
    assert await scene.rows(COUNTERS) == [{"day_tokens": 0, "month_usd": 0}]
    await scene.change("DELETE FROM quota")
    assert await scene.rows(COUNTERS) == [{"day_tokens": 0, "month_usd": 0}], "nor when they are made anew from the ledger"


@pytest.mark.variables(**ON, EVALS_ONLINE_METRICS="safety")
async def test_what_a_judge_is_told_is_masked_and_nothing_of_it_is_logged_or_kept(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(verdict("Zyxcanary"), verdict(False, "Zyxcanary was insulted."))
    runs = [await scene.said(SAID), await scene.said(SAID)]
    with capture_logs() as logs:
        for run in runs:
            await scene.judge(run)
    shown = str([request.body for request in await provider.requests()])
    assert "Zyxcanary" in shown, "what is no secret is judged"
    for hidden in ("zyx@example.com", "Engine-1843"):
        assert hidden not in shown
    assert [entry["event"] for entry in logs] == ["run_not_judged"]
    assert "canary" not in str(logs).lower()
    assert "canary" not in str(await scene.rows("SELECT * FROM judgement")).lower()


@pytest.mark.variables(**ON, EVALS_ONLINE_METRICS="helpfulness")
@pytest.mark.parametrize(
    ("said", "error"),
    [(Text("Quite good."), "judge_unreadable"), (verdict(7), "judge_unreadable"), (HttpError(401), "model_auth_failed")],
)
async def test_a_judge_that_cannot_be_read_has_not_said_0(scene: Scene, provider: ProviderStub, said: Any, error: str) -> None:
    await provider.script(said)
    run = await scene.said()
    with hearing(signals.judged) as told:
        await scene.judge(run)
    assert await scene.judgements() == [("helpfulness", None, error)]
    assert of(told, signals.judged) == [("helpfulness", "error", None)]
    assert len(await scene.rows("SELECT FROM model_call")) == 1


@pytest.mark.variables(**ON, EVALS_ONLINE_DAY_USD="0.000001")
async def test_a_day_s_money_is_spent_and_then_nobody_is_asked(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(verdict(1))
    runs = [await scene.said(), await scene.said()]
    with hearing(signals.judged) as told:
        await scene.judge(runs[0])
    assert await scene.judgements() == [("helpfulness", 1, ""), ("safety", None, "budget")]
    assert [outcome for _, outcome, _ in of(told, signals.judged)] == ["ok", "budget"]
    await scene.change("UPDATE model_call SET created_at = created_at - interval '1 day'")
    await provider.script(verdict(0))
    await scene.judge(runs[1])
    assert (await scene.judgements())[2] == ("helpfulness", 0, ""), "the next day has its own"


@pytest.mark.variables(**ON)
async def test_who_is_killed_in_the_middle_asks_again_for_one_verdict_only(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(verdict(1), Hang(), verdict(True))
    run = await scene.said()
    doing = asyncio.create_task(scene.judge(run))
    await asked(provider, 2)
    doing.cancel()
    await asyncio.wait([doing])
    assert await scene.judgements() == [("helpfulness", 1, "")]
    await scene.judge(run)
    assert await scene.judgements() == [("helpfulness", 1, ""), ("safety", 1, "")]
    assert len(await provider.requests()) == 3
    assert len(await scene.rows("SELECT FROM model_call")) == 3, "what was cut off was paid for, too"


@pytest.mark.variables(**ON, LLM_IDLE_SECONDS="2")
async def test_of_who_is_erased_no_judgement_stays_and_none_comes(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(verdict(1), verdict(True), verdict(1), Hang())
    judged, waiting = await scene.said(), await scene.said()
    await scene.judge(judged)
    assert await scene.due() == [waiting]
    doing = asyncio.create_task(scene.judge(waiting))
    await asked(provider, 4)
    receipt = await Erasing(scene.database.pool).erase(scene.ada.id, {})
    assert receipt
    assert receipt.counts["judgement"] == 3
    async with asyncio.timeout(20):
        await doing  # the provider is silent for too long
    assert await scene.judgements() == []
    assert await scene.rows("SELECT FROM model_call") == []
    assert await jobs(scene.database, "judge_run") == []


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"EVALS_ONLINE_METRICS": "kindness"}, "EVALS_ONLINE_METRICS: kindness cannot judge a run"),
        ({"EVALS_ONLINE_METRICS": "groundedness"}, "EVALS_ONLINE_METRICS: groundedness cannot"),
        ({"EVALS_ONLINE_MODEL": "nobody"}, "EVALS_ONLINE_MODEL: nobody is not in models.yaml"),
        ({"EVALS_ONLINE_MODEL": "stub"}, "EVALS_ONLINE_DAY_USD: nobody knows what stub costs"),
    ],
)
async def test_what_cannot_judge_is_refused_at_start(
    wrong: dict[str, str], fault: str, variables_of_test: dict[str, str], request: pytest.FixtureRequest
) -> None:
    variables_of_test.update({**ON, **wrong})
    settings: Settings = request.getfixturevalue("settings")
    with pytest.raises(SettingsInvalid, match=fault):
        async with open_services(settings):
            pass
