"""Hold a judge against labelled cases: how often it sees what is good, and what is not.

The answers in `evals/calibration`, and their labels, were written together by who wrote the judges; nobody else has rated them.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from evals.answers import Answer, ToolCall, Turn
from evals.cases import MOST_TURNS, Case, CaseId, Text
from evals.errors import EvalsError
from evals.experiment import Calibration
from evals.metrics.judges import Judge
from evals.scores import Score
from evals.statistics import kappa, wilson

FOLDER: Final = Path(__file__).parent / "calibration"
_KEPT: Final = TypeAdapter(Calibration)


class LabelledUnreadable(EvalsError):
    pass


class Labelled(BaseModel):
    """An answer, and whether its label calls it good in the one respect that a judge looks at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: CaseId
    input: Text | None = None
    conversation: tuple[Text, ...] = Field(default=(), max_length=MOST_TURNS)
    earlier: tuple[str, ...] = Field(default=(), description="What was answered to all but the last message of the conversation")
    reference: Text | None = None
    context: Text | None = None
    instructions: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    answer: str
    good: bool
    why: str = ""

    @model_validator(mode="after")
    def _has_an_answer_to_each_message(self) -> Self:
        if bool(self.input) == bool(self.conversation):
            raise ValueError("must have one of input and conversation")
        if len(self.earlier) != len(self._said) - 1:
            raise ValueError("earlier must have an answer to each message but the last")
        return self

    @property
    def _said(self) -> Sequence[str]:
        return (self.input,) if self.input else self.conversation

    def case(self, tags: frozenset[str]) -> Case:
        return Case(
            id=self.id,
            input=self.input,
            conversation=self.conversation,
            reference=self.reference,
            context=self.context,
            instructions=self.instructions,
            tags=tags,
        )

    def given(self) -> Answer:
        turns = [Turn(said=one, text=text) for one, text in zip(self._said, [*self.earlier, self.answer], strict=True)]
        turns[-1] = replace(turns[-1], tool_calls=self.tools)
        return Answer(case_id=self.id, attempt=1, turns=turns)


def read_labelled(metric: str, folder: Path = FOLDER) -> Sequence[Labelled]:
    """A case a line; raise LabelledUnreadable."""
    path = folder / f"{metric}.jsonl"
    if not path.is_file():
        raise LabelledUnreadable(f"There are no labelled cases for {metric}: {path.name} is not there.")
    return [*_lines(path)]


def _lines(path: Path) -> Iterator[Labelled]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            try:
                yield Labelled.model_validate_json(line)
            except ValidationError as error:
                fault = error.errors(include_url=False, include_input=False)[0]
                raise LabelledUnreadable(
                    f"{path.name}, line {number}: {'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}."
                ) from error


async def calibrate(
    judge: Judge, labelled: Sequence[Labelled], *, concurrency: int = 4, told: Callable[[], None] = lambda: None
) -> Calibration:
    """Judge all of them; `told` is called after each. What could not be read counts for no rate."""
    free = asyncio.Semaphore(concurrency)

    async def one(case: Labelled) -> Score:
        async with free:
            [score] = await judge.score(case.case(judge.rubric.tags), case.given())
            told()
            return score

    scores = await asyncio.gather(*map(one, labelled))
    pairs = [
        (case.good, score.value >= judge.rubric.passes_from)
        for case, score in zip(labelled, scores, strict=True)
        if score.value is not None
    ]
    return _calibration(judge, [case.good for case in labelled], pairs)


def _calibration(judge: Judge, labels: Sequence[bool], pairs: Sequence[tuple[bool, bool]]) -> Calibration:
    of_good, of_bad = [said for good, said in pairs if good], [not said for good, said in pairs if not good]
    return Calibration(
        judge=judge.judging.name,
        metric=judge.name,
        n=len(labels),
        base_rate=sum(labels) / len(labels) if labels else 0,
        true_positive_rate=wilson(sum(of_good), len(of_good)),
        true_negative_rate=wilson(sum(of_bad), len(of_bad)),
        kappa=kappa(pairs),
        unreadable=len(labels) - len(pairs),
        at=datetime.now(UTC),
        digest=judge.rubric.digest,
    )


def keep(calibration: Calibration, folder: Path = FOLDER) -> Path:
    path = _kept_at(calibration.metric, calibration.judge, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_KEPT.dump_json(calibration, indent=2) + b"\n")
    return path


def kept(judges: Sequence[Judge], folder: Path = FOLDER) -> Sequence[Calibration]:
    """Those of these judges with the prompts that they have now; what cannot be read counts as not calibrated."""
    read = [(judge, _read(_kept_at(judge.name, judge.judging.name, folder))) for judge in judges]
    return [found for judge, found in read if found and (found.judge, found.digest) == (judge.judging.name, judge.rubric.digest)]


def _read(path: Path) -> Calibration | None:
    try:
        return _KEPT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _kept_at(metric: str, judge: str, folder: Path) -> Path:
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in judge)
    return folder / "results" / f"{metric}.{plain}.json"
