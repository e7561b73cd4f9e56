"""Where the cases of a run come from, as it was chosen."""

import asyncio
from argparse import Namespace
from collections.abc import Sequence

from app.settings import Settings
from evals.answers import Answer
from evals.cases import Case, Dataset
from evals.choosing import chosen_cases
from evals.commands.choosing import SMOKE
from evals.commands.wanting import wanted_of
from evals.errors import Misused
from evals.sources.database import dataset_of, recent_runs
from evals.sources.files import load_dataset
from evals.sources.langfuse import langfuse_dataset, langfuse_runs, open_langfuse


def sourced(settings: Settings, chosen: Namespace) -> tuple[Dataset, Sequence[Answer]]:
    """The cases, and the answers that were given to them where they are runs of the past; raise EvalsError or AppError."""
    _check_where(chosen)
    if chosen.recent or chosen.langfuse_recent:
        found = asyncio.run(_of_the_past(settings, chosen))
        # Nobody has reviewed these, and nobody needs to: they are masked, and stay in the folder of the experiment.
        dataset = chosen_cases(dataset_of([case for case, _ in found]), chosen.tag, chosen.limit, unreviewed=True)
        tried = {case.id for case in dataset.cases}
        return dataset, [answer for _, answer in found if answer.case_id in tried]
    named = chosen.langfuse_dataset
    dataset = asyncio.run(_of_langfuse(settings, named)) if named else load_dataset(chosen.dataset or SMOKE)
    return chosen_cases(dataset, chosen.tag, chosen.limit, unreviewed=chosen.unreviewed), ()


def _check_where(chosen: Namespace) -> None:
    """Raise Misused for a wish that would be passed over."""
    if chosen.where and not (chosen.recent or chosen.langfuse_recent):
        raise Misused("--where is for --recent and --langfuse-recent.")
    if chosen.langfuse_recent and any(not one.startswith("since=") for one in chosen.where):
        raise Misused("--where of Langfuse's runs: only since= is known there.")


async def _of_the_past(settings: Settings, chosen: Namespace) -> list[tuple[Case, Answer]]:
    wanted = wanted_of(chosen.where)
    if chosen.recent:
        return await recent_runs(settings, wanted, limit=chosen.recent, seed=chosen.seed)
    async with open_langfuse(settings) as client:
        return await langfuse_runs(client, limit=chosen.langfuse_recent, since=wanted.since, wait_seconds=chosen.wait)


async def _of_langfuse(settings: Settings, name: str) -> Dataset:
    async with open_langfuse(settings) as client:
        return await langfuse_dataset(client, name)
