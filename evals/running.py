"""The run: every case as often as asked for, several at once, each answer and each score kept as it comes."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from evals.answers import Answer
from evals.budget import Budget
from evals.cases import Case
from evals.scores import Metric, Score
from evals.store import Folder
from evals.targets.talking import Target
from evals.tries import Player, answer_of


class Watcher(Protocol):
    """Who is told how far it has come."""

    def tell(self, answer: Answer, scores: Sequence[Score]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A case to be tried, or, with an `answer` that was kept before its scores were, to be scored."""

    case: Case
    attempt: int
    answer: Answer | None = None


class Run:
    """`budget` knows what was spent before; without a `target` nothing is asked."""

    def __init__(self, folder: Folder, target: Target | None, metrics: Sequence[Metric], play: Player, budget: Budget) -> None:
        self._folder = folder
        self._metrics = metrics
        self._budget = budget
        self._seconds = folder.head.options.timeout_seconds
        self._ask = partial(answer_of, target=target, seconds=self._seconds, play=play) if target else None
        self.left = [*left_of(folder)]

    async def go(self, watcher: Watcher) -> None:
        """Until all is done or the budget is spent; `left` is what was not begun."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(self._folder.head.options.concurrency, len(self.left))):
                workers.create_task(self._work(watcher))

    async def _work(self, watcher: Watcher) -> None:
        while self.left and not self._budget.is_spent:
            piece = self.left.pop(0)
            answer = piece.answer or await self._answer(piece)
            scores = await self._score(piece.case, answer)
            self._folder.add_scores(piece.case.id, piece.attempt, scores)
            watcher.tell(answer, scores)

    async def _answer(self, piece: Piece) -> Answer:
        assert self._ask  # noqa: S101  # without a target every piece has its answer
        answer = await self._ask(piece.case, piece.attempt)
        self._folder.add_answer(answer)
        _spend(self._budget, answer)
        return answer

    async def _score(self, case: Case, answer: Answer) -> Sequence[Score]:
        told = await asyncio.gather(*(metric.score(case, answer) for metric in self._metrics if metric.applies_to(case)))
        scores = [score for several in told for score in several]
        for score in scores:
            self._budget.spend(score.cost_usd)
        return scores


def left_of(folder: Folder) -> Iterator[Piece]:
    """What is to be done yet: every case once before any is tried again, and first what has its answer already."""
    attempts = range(1, folder.head.options.repeat + 1)
    pieces = [
        Piece(case=case, attempt=attempt, answer=folder.answers.get((case.id, attempt)))
        for attempt in attempts
        for case in folder.head.dataset.cases
        if (case.id, attempt) not in folder.scores
    ]
    yield from (piece for piece in pieces if piece.answer)
    yield from (piece for piece in pieces if not piece.answer)


def _spend(budget: Budget, answer: Answer) -> None:
    """Turn by turn: one that was cut off has no price, and those before it have."""
    for turn in answer.turns:
        budget.spend(turn.cost_usd)


def spent_before(folder: Folder) -> Budget:
    """The budget, less what the answers and scores that are kept have cost; what users were answered was not asked by us."""
    options = folder.head.options
    budget = Budget(options.budget_usd)
    for answer in folder.answers.values() if options.target != "given" else ():
        _spend(budget, answer)
    for scores in folder.scores.values():
        for score in scores:
            budget.spend(score.cost_usd)
    return budget
