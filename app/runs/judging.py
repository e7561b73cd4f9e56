"""Have answers judged after they were given: a sample of runs, each by every judge once, for so much money a day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID, uuid5

import structlog

from app import signals
from app.llm.calls import ModelCall
from app.persistence.judgements import Scored, ToJudge, Verdict
from app.persistence.said import SaidTurn
from app.runs.ledger import Ledger
from app.settings import EvalsSettings

# What a verdict has for an error where nobody was asked.
OVER_BUDGET: Final = "budget"

log = structlog.get_logger()


class Judge(Protocol):
    @property
    def metric(self) -> str: ...
    @property
    def model(self) -> str: ...

    async def judge(self, said: Sequence[SaidTurn], heard: Callable[[ModelCall], None]) -> Verdict:
        """The verdict on the last answer, of which whatever went wrong is the error; each call is `heard`."""
        ...


class JudgementStore(Protocol):
    async def queue_due(self, rate: float, metrics: Sequence[str]) -> None: ...
    async def to_judge(self, run_id: UUID) -> ToJudge | None: ...
    async def keep(self, run_id: UUID, verdict: Verdict) -> bool: ...


class Judgements(Protocol):
    async def scores(self, run_id: UUID) -> Sequence[Scored]: ...


class JudgeScores(Protocol):
    def wants(self, run_id: UUID) -> bool:
        """Whether there is a trace to give a score to."""
        ...

    async def score_judgement(self, score_id: UUID, run_id: UUID, metric: str, value: float, given_at: datetime) -> None:
        """The same id and time take the place of what was said before; raise an AppError."""
        ...


class Spending(Protocol):
    async def judged_today_usd(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    store: JudgementStore
    judges: Sequence[Judge]
    ledger: Ledger
    spending: Spending
    settings: EvalsSettings

    async def queue_due(self) -> None:
        await self.store.queue_due(self.settings.rate, [judge.metric for judge in self.judges])

    async def judge(self, run_id: UUID) -> None:
        """Ask each judge that has not judged the run. Every verdict is written at once: who is killed asks again for one at the most."""
        if not (run := await self.store.to_judge(run_id)):
            return
        for judge in self.judges:
            if judge.metric not in run.done:
                verdict = await self._verdict(judge, run)
                if await self.store.keep(run_id, verdict):
                    _tell(run_id, verdict)

    async def _verdict(self, judge: Judge, run: ToJudge) -> Verdict:
        most_usd = self.settings.day_usd
        if most_usd and await self.spending.judged_today_usd() >= most_usd:
            return Verdict(metric=judge.metric, value=None, error=OVER_BUDGET, judge=judge.model, cost_usd=0)
        async with self.ledger.hearing(run.user_id, run.session_id, charged=False) as hearer:
            return await judge.judge(run.said, hearer.called)


async def score_judgements(judgements: Judgements, scores: JudgeScores, run_id: UUID) -> None:
    """Give a run's trace what judges said of it; said twice it is the same score."""
    if scores.wants(run_id):
        for one in await judgements.scores(run_id):
            await scores.score_judgement(uuid5(run_id, one.metric), run_id, one.metric, one.value, one.created_at)


def _tell(run_id: UUID, verdict: Verdict) -> None:
    outcome = "ok" if not verdict.error else "budget" if verdict.error == OVER_BUDGET else "error"
    signals.judged(verdict.metric, outcome, verdict.value)
    if outcome == "error":
        log.warning("run_not_judged", run_id=str(run_id), metric=verdict.metric, error=verdict.error)
    elif outcome == "budget":
        log.info("judging_over_budget", run_id=str(run_id), metric=verdict.metric)
