"""What was found in an experiment, as `verdict.json` keeps it."""

from dataclasses import dataclass

from evals.comparing import Comparison
from evals.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    verdict: Verdict
    passed: bool
    comparison: Comparison | None = None
