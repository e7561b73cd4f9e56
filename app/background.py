"""What workers do: jobs that runs and sessions set off, and chores that come by the clock."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from uuid import UUID

from app.persistence.events import EventTable
from app.persistence.queue import EVERY_MINUTE, EVERY_TEN_MINUTES, EVERY_TEN_SECONDS, Chore, Job, by_id
from app.persistence.turns import TurnTable
from app.runs.chores import forget_events
from app.runs.questions import Questions
from app.runs.service import Runs
from app.settings import SECONDS_PER_HOUR, RunSettings


def jobs_of(runs: Runs, naming: Callable[[UUID], Awaitable[None]]) -> Mapping[str, Job]:
    return {"make_run": by_id(runs.make), "name_session": by_id(naming)}


def chores_of(settings: RunSettings, questions: Questions, turns: TurnTable, events: EventTable) -> list[Chore]:
    kept_seconds = settings.event_hours * SECONDS_PER_HOUR
    return [
        Chore(name="expire_questions", cron=EVERY_TEN_SECONDS, do=questions.expire),
        Chore(name="requeue_runs", cron=EVERY_MINUTE, do=turns.requeue),
        Chore(name="forget_events", cron=EVERY_TEN_MINUTES, do=partial(forget_events, events, kept_seconds)),
    ]
