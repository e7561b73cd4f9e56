"""Answers that nobody should be able to hurt a report with."""

from evals.answers import Answer, ToolCall, Turn
from evals.cases import Case, Checks
from evals.experiment import Experiment, Result
from evals.scores import Score
from tests.evals.experiments import METRICS, experiment

SCRIPT = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
EVIL = f"{SCRIPT} ]]> <!-- \x00\x08\x1b \u202eright to left ![](https://evil.example/a.png) [x](javascript:alert(1)) @everyone |`*_"


def hostile(name: str = "hostile") -> Experiment:
    """Everything that people and models may write is meant badly; one answer has a megabyte."""
    cases = [
        Case(id=f"case-{one}", input=EVIL, reference=EVIL, checks=Checks(contains=(EVIL,)), tags=frozenset({"bad"})) for one in range(3)
    ]
    texts = (f"{EVIL} and half a character: \ud800", "שלום עולם " * 100_000, "a" * 1_000_000)
    call = ToolCall(name=EVIL, args={EVIL: EVIL}, result=EVIL, is_error=True)
    results = [
        Result(
            case=case,
            answer=Answer(
                case_id=case.id,
                attempt=1,
                turns=[Turn(said=EVIL, text=text, tool_calls=[call], model=EVIL)],
                error="run_timeout" if one == 2 else "",
                detail=EVIL,
            ),
            scores=[Score(metric="contains", value=0, reasoning=EVIL), Score(metric="helpfulness", value=None, error=EVIL, judge=EVIL)],
        )
        for one, (case, text) in enumerate(zip(cases, texts, strict=True))
    ]
    return experiment(results, name, warnings=[EVIL], target={EVIL: EVIL}, judge=EVIL, metrics=METRICS)
