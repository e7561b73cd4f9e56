"""What tests of a run begin with: cases, a metric that says something of each answer, and a folder."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from evals.answers import Answer
from evals.cases import Case, Dataset
from evals.conducting import begin
from evals.options import Options
from evals.scores import Score
from evals.store import Folder

EMAIL: Final = "ada@example.com"


@dataclass(frozen=True, slots=True)
class Length:
    """A Metric: how many words an answer has."""

    cost_usd: float = 0
    name: str = "length"
    kind: Literal["measure"] = "measure"
    unit: Literal["words"] = "words"

    def applies_to(self, case: Case) -> bool:
        return bool(case.id)

    async def score(self, case: Case, answer: Answer) -> Sequence[Score]:
        return [Score(metric=self.name, value=len(answer.text.split()), cost_usd=self.cost_usd, reasoning=case.id)]


class Silent:
    """A Watcher."""

    def tell(self, answer: Answer, scores: Sequence[Score]) -> None: ...


def cases(*inputs: str) -> Dataset:
    return Dataset(name="tried", version=1, cases=tuple(Case(id=f"case-{place}", input=text) for place, text in enumerate(inputs, start=1)))


def begun(root: Path, dataset: Dataset, given: Sequence[Answer] = (), **options: Any) -> Folder:
    return begin(root, "", dataset, Options(**options), given)


@contextmanager
def running(*order: str, variables: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command as a process of its own, gone when this is left."""
    command = [sys.executable, "-m", "evals", *order]
    with log.open("ab") as output, subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=output) as process:  # noqa: S603  # our own
        try:
            yield process
        finally:
            process.kill()
