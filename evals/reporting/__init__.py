"""Reports of an experiment, beside what is kept of it."""

from pathlib import Path

from pydantic import TypeAdapter

from evals.comparing import compare
from evals.experiment import Experiment
from evals.reporting.html import html_report
from evals.reporting.judged import Judged
from evals.reporting.junit import junit_report
from evals.reporting.markdown import markdown_report
from evals.verdict import Verdict


def write_reports(folder: Path, experiment: Experiment, baseline: Experiment | None, verdict: Verdict) -> None:
    """Write `report.html`, `report.md`, `report.xml` (JUnit) and `verdict.json` into the experiment's folder."""
    judged = Judged(verdict=verdict, passed=verdict.passed, comparison=compare(baseline, experiment) if baseline else None)
    _write(folder / "report.html", html_report(experiment, baseline, judged))
    _write(folder / "report.md", markdown_report(experiment, judged))
    (folder / "report.xml").write_bytes(junit_report(experiment, verdict))
    (folder / "verdict.json").write_bytes(TypeAdapter(Judged).dump_json(judged, indent=2))


def _write(path: Path, text: str) -> None:
    """Half a character, which models do write, must not cost the report."""
    path.write_text(text, encoding="utf-8", errors="replace")
