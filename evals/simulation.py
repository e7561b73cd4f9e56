"""How often the gate finds a fall that is there, and one that is not: `python -m evals.simulation` prints both.

Two experiments are alike as two runs of one agent are: a case is easy or hard for both (its chance to pass is drawn from a Beta
distribution with most of its weight at the ends), and only the throw differs. A change for the worse makes some cases fail for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evals.answers import Answer, Turn
from evals.cases import Case
from evals.experiment import Experiment, MetricInfo, Result
from evals.gate import Gate, judge_gate
from evals.rules import NoRegression
from evals.scores import Score
from evals.statistics import wilson
from evals.wording import value

RUNS: Final = 1_000
CASES: Final = 100
_SEED: Final = 9
_PASSING: Final = 0.85
# Of a Beta distribution: the smaller, the more of the cases pass always or never. At 0.4 two runs of one agent agree on 93 of 100 cases.
_CONCENTRATION: Final = 0.4
_TAGS: Final = ("tools", "talk")
_METRICS: Final = (MetricInfo(name="contains", kind="check"), MetricInfo(name="helpfulness", kind="judge"))
# What a release would be held against: what holds by rule, for all cases and for a tag, and what a judge says.
GATE: Final = Gate(
    no_regression=(NoRegression(metric="passed"), NoRegression(metric="passed", tag="tools"), NoRegression(metric="helpfulness"))
)
ONE_RULE: Final = Gate(no_regression=(NoRegression(metric="passed"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`fall` is how much of the share of passing answers the change truly costs, 0 where nothing was changed."""

    fall: float
    repeats: int = 1
    gate: Gate = GATE


def red_share(setting: Setting, runs: int = RUNS) -> float:
    chance = np.random.default_rng(_SEED)
    return sum(_is_red(setting, chance) for _ in range(runs)) / runs


def experiments(setting: Setting, chance: Generator) -> tuple[Experiment, Experiment]:
    """A baseline, and what came after it."""
    passing = chance.beta(_PASSING * _CONCENTRATION, (1 - _PASSING) * _CONCENTRATION, CASES)
    worse = passing * (1 - _broken(passing, setting.fall, chance))
    return _experiment("before", passing, setting.repeats, chance), _experiment("after", worse, setting.repeats, chance)


def _broken(passing: NDArray[np.float64], fall: float, chance: Generator) -> NDArray[np.bool_]:
    """Cases in a drawn order, until failing them for good costs what the setting says."""
    order = chance.permutation(len(passing))
    lost = np.cumsum(passing[order])
    broken = np.zeros(len(passing), dtype=bool)
    broken[order[: int(np.searchsorted(lost, fall * len(passing)))]] = True
    return broken


def _is_red(setting: Setting, chance: Generator) -> bool:
    before, after = experiments(setting, chance)
    return not judge_gate(setting.gate, after, before).passed


def _experiment(name: str, passing: NDArray[np.float64], repeats: int, chance: Generator) -> Experiment:
    results = [_result(number, attempt, float(share), chance) for number, share in enumerate(passing) for attempt in range(1, repeats + 1)]
    return Experiment(
        id=name,
        name=name,
        began_at=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=1,
        dataset="simulated",
        dataset_version=1,
        digest="",
        target={},
        settings={},
        metrics=_METRICS,
        results=results,
    )


def _result(number: int, attempt: int, share: float, chance: Generator) -> Result:
    case = Case(id=f"case-{number}", input="?", tags=frozenset({_TAGS[number % len(_TAGS)]}))
    held = float(chance.random() < share)
    liked = float(np.clip(0.55 * held + 0.35 + chance.normal(0, 0.1), 0, 1))
    scores = (Score(metric="contains", value=held), Score(metric="helpfulness", value=round(liked, 2)))
    return Result(case=case, answer=Answer(case_id=case.id, attempt=attempt, turns=[Turn(said="?", text="!")]), scores=scores)


def _lines() -> Sequence[str]:
    head = ["| truth, n = 100 | rules | repeats | the gate is red |", "|---|---|---|---|"]
    settings = [
        Setting(fall=fall, repeats=repeats, gate=gate) for fall in (0, 0.05, 0.1) for gate in (ONE_RULE, GATE) for repeats in (1, 3)
    ]
    return head + [_line(setting) for setting in settings]


def _line(setting: Setting) -> str:
    found = wilson(red_share(setting) * RUNS, RUNS)
    truth = f"{100 * setting.fall:.0f} points worse" if setting.fall else "unchanged"
    share = f"{value(found.value)} ({value(found.low)} to {value(found.high)})"
    return f"| {truth} | {len(setting.gate.no_regression)} | {setting.repeats} | {share} |"


if __name__ == "__main__":
    print("\n".join(_lines()))
