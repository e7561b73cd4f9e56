"""Open what judges answers while the server is in use; `evals`, and with it what it needs, is loaded only where something is judged."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, cast
from uuid import UUID

from app.errors import SettingsInvalid
from app.llm.models import Model, Models
from app.persistence.database import Pool
from app.persistence.judgements import JudgementTable
from app.persistence.ledger import LedgerTable
from app.persistence.queue import EVERY_MINUTE, Chore, Job, by_id
from app.runs.judging import Judge, Judging
from app.runs.ledger import Ledger
from app.settings import EvalsSettings, Settings

_JUDGES: Final = "evals.online"

type OpenJudges = Callable[[Model, Sequence[str]], Sequence[Judge]]


async def _leave(_: UUID) -> None:
    """What was queued while something was still judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingWork:
    """What the worker does for it: a job about a run, and what puts such jobs into the queue."""

    judge: Callable[[UUID], Awaitable[None]] = _leave
    chores: Sequence[Chore] = field(default=())

    @property
    def jobs(self) -> Mapping[str, Job]:
        return {"judge_run": by_id(self.judge)}


def judging_of(settings: Settings, models: Models, ledger: Ledger, pool: Pool) -> JudgingWork:
    """Raise SettingsInvalid for judges, or a model, that cannot judge here."""
    evals = settings.evals
    if not evals.are_on:
        return JudgingWork()
    judging = Judging(
        store=JudgementTable(pool, tells=settings.tracing.has_langfuse),
        judges=_judges()(_model(evals, models), evals.judges),
        ledger=ledger,
        spending=LedgerTable(pool),
        settings=evals,
    )
    return JudgingWork(judge=judging.judge, chores=[Chore(name="queue_judging", cron=EVERY_MINUTE, do=judging.queue_due)])


def _model(settings: EvalsSettings, models: Models) -> Model:
    name = settings.model
    if name not in models:
        raise SettingsInvalid(f"EVALS_ONLINE_MODEL: {name} is not in models.yaml, or its key is not set.")
    model = models.get(name)
    if model.spec.provider == "demo":
        raise SettingsInvalid("EVALS_ONLINE_MODEL: the demo model cannot judge, for it is a few fixed rules.")
    if settings.day_usd and model.price is None:
        raise SettingsInvalid(
            f"EVALS_ONLINE_DAY_USD: nobody knows what {name} costs, so no budget can hold: give it `prices` in models.yaml, or set 0."
        )
    return model


def _judges() -> OpenJudges:
    try:
        # By its name, for `evals` imports this package.
        return cast("OpenJudges", import_module(_JUDGES).open_judges)
    except ModuleNotFoundError as error:
        raise SettingsInvalid('EVALS_ONLINE_RATE: needs the packages of evals, which `make dev EXTRAS="evals"` installs.') from error
