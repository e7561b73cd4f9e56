"""The judges for answers that users are given: what a worker has of evals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.errors import SettingsInvalid
from app.llm.calls import ModelCall
from app.llm.models import Model
from app.persistence.judgements import Verdict
from app.persistence.said import SaidTurn
from evals.asking import Judging
from evals.cases import Case
from evals.metrics.judges import Judge
from evals.metrics.rubrics import Rubric, read_rubrics
from evals.sources.database import answer_of

# A judge of answers that were given is shown nothing else of a case.
_CASE = Case(id="online", input="What the user said is in the answer's turns.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineJudge:
    """Shows its model what was said without what tells of a person; `app.runs.judging` says what it is for."""

    rubric: Rubric
    judging: Judging

    @property
    def metric(self) -> str:
        return self.rubric.name

    @property
    def model(self) -> str:
        return self.judging.name

    async def judge(self, said: Sequence[SaidTurn], heard: Callable[[ModelCall], None]) -> Verdict:
        judge = Judge(rubric=self.rubric, judging=replace(self.judging, heard=heard))
        [score] = await judge.score(_CASE, answer_of(said))
        return Verdict(metric=score.metric, value=score.value, error=score.error, judge=score.judge, cost_usd=score.cost_usd)


def open_judges(model: Model, names: Sequence[str]) -> Sequence[OnlineJudge]:
    """Raise SettingsInvalid for a name that is no judge's, and for one who needs more than a conversation.

    The tags by which a judge is chosen for cases say nothing here: no run has any.
    """
    rubrics = {rubric.name: rubric for rubric in read_rubrics() if not rubric.needs}
    for name in names:
        if name not in rubrics:
            raise SettingsInvalid(f"EVALS_ONLINE_METRICS: {name} cannot judge a run; {', '.join(rubrics)} can.")
    return [OnlineJudge(rubric=rubrics[name], judging=Judging(model=model)) for name in dict.fromkeys(names)]
