"""Reports say what was found, and stay what they are whatever the answers say."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from pydantic import TypeAdapter

from evals.__main__ import main
from evals.estimates import Estimate
from evals.experiment import Calibration, Experiment, MetricInfo
from evals.gate import judge_gate
from evals.reporting import write_reports
from evals.reporting.markdown import LONGEST
from evals.reporting.schemas import FOLDER, schemas
from evals.rules import Gate, NoRegression, Threshold
from evals.statistics import wilson
from evals.store import read_experiment
from tests.evals.experiments import experiment, passing, result
from tests.evals.hostile import EVIL, hostile

GATE = Gate(thresholds=(Threshold(metric="passed", min=0.9),), no_regression=(NoRegression(metric="passed"),))


def _written(folder: Path, seen: Experiment, before: Experiment | None = None) -> Path:
    write_reports(folder, seen, before, judge_gate(GATE, seen, before))
    return folder


def _kept(folder: Path, seen: Experiment) -> Path:
    folder.mkdir()
    (folder / "experiment.json").write_bytes(TypeAdapter(Experiment).dump_json(seen))
    return folder


def _values(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="values">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_report_says_that_the_gate_is_red_and_why(tmp_path: Path) -> None:
    _written(tmp_path, passing(80, 100), passing(95, 100, "before"))
    markdown, page = ((tmp_path / name).read_text() for name in ("report.md", "report.html"))
    assert markdown.startswith("## ❌ Evals: the gate is red: 2 of 5 rules\n")
    assert "passed changed by" in markdown
    assert "gate red" in page
    assert "turned bad: case-80, case-81" in page
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["passed"] is False
    assert [one["state"] for one in verdict["verdict"]["judgements"]] == ["green", "green", "green", "red", "red"]


def test_a_green_gate_is_green_everywhere(tmp_path: Path) -> None:
    _written(tmp_path, passing(100, 100))
    assert (tmp_path / "report.md").read_text().startswith("## ✅ Evals: the gate is green\n")
    suites = ET.parse(tmp_path / "report.xml").getroot()  # noqa: S314  # our own
    assert not suites.findall(".//failure")
    assert len(suites.findall("testsuite[@name='gate']/testcase/skipped")) == 1


def test_junit_counts_failures_errors_and_what_nothing_was_checked_of(tmp_path: Path) -> None:
    results = [
        result("good", {"contains": 1}),
        result("bad", {"contains": 0}),
        result("broken", {}, error="run_timeout"),
        result("liked", {"helpfulness": 0.4}),
    ]
    suite = ET.parse(_written(tmp_path, experiment(results)) / "report.xml").find("testsuite[@name='smoke']")  # noqa: S314  # our own
    assert suite is not None
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [case.get("name") for case in suite] == ["good #1", "bad #1", "broken #1", "liked #1"]


def test_hostile_text_stays_text_in_every_report(tmp_path: Path) -> None:
    _written(tmp_path, hostile(), hostile("before"))
    ET.parse(tmp_path / "report.xml")  # noqa: S314  # our own
    page = (tmp_path / "report.html").read_text()
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert _values(page)["cases"][0]["attempts"][0]["turns"][0]["text"].startswith(EVIL)
    markdown = (tmp_path / "report.md").read_text()
    assert not re.search(r"<(?!/?(details|summary)>)", markdown.replace("\\<", ""))
    assert "@everyone" not in markdown
    assert "](" not in markdown.replace("\\]\\(", "")


def test_a_page_loads_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    page = (_written(tmp_path, passing(9, 10)) / "report.html").read_text()
    assert re.search(r"Content-Security-Policy\" content=\"default-src &#39;none&#39;; .*script-src &#39;sha256-", page)
    assert "unsafe-inline" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_a_comment_for_a_pull_request_stays_within_what_is_taken(tmp_path: Path) -> None:
    names = [f"metric{one}" for one in range(30)]
    results = [result(f"case-{one}", dict.fromkeys(names, 0)) for one in range(300)]
    many = experiment(results, warnings=["!" * 900] * 20, metrics=[MetricInfo(name=name, kind="check") for name in names])
    gate = Gate(thresholds=tuple(Threshold(metric=name, min=1) for name in names))
    write_reports(tmp_path, many, None, judge_gate(gate, many, None))
    text = (tmp_path / "report.md").read_text()
    assert len(text) <= LONGEST
    assert "the gate is red" in text
    assert text.count("<details>") == text.count("</details>")
    assert "more: `report.html` has them" in text


def test_a_judge_without_calibration_is_called_so(tmp_path: Path) -> None:
    _written(tmp_path, experiment([result("one", {"helpfulness": 1}), result("two", {"helpfulness": None})]))
    assert "not calibrated" in (tmp_path / "report.md").read_text()
    assert "not calibrated" in (tmp_path / "report.html").read_text()


def test_the_page_knows_which_cases_turned(tmp_path: Path) -> None:
    page = (_written(tmp_path, passing(8, 10), passing(9, 10, "before")) / "report.html").read_text()
    assert [case["id"] for case in _values(page)["cases"] if case["change"] == "worse"] == ["case-8"]


def test_the_commands_compare_judge_and_report_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = _kept(tmp_path / "a", passing(99, 100, "a", tag="tools")), _kept(tmp_path / "b", passing(80, 100, "b", tag="tools"))
    assert _code("compare", str(before), str(after)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a-1 → b-1: 100 cases in both"
    assert re.match(r"passed\s+100\s+99\.0 % .*-19\.0 points .*p < 0\.001\s+worse$", lines[3])
    assert lines[4].startswith("passed[tools]")
    assert _code("compare", "--json", str(after), str(before)) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert (row["finding"], len(row["turned_good"])) == ("better", 19)
    assert _code("gate", str(after), "--baseline", str(before)) == 1
    assert "The gate is red." in capsys.readouterr().out
    rules = tmp_path / "gate.yaml"
    rules.write_text("thresholds: [{metric: passed, min: 0.9}]")
    assert _code("gate", str(before), "--gate", str(rules)) == 0
    assert _code("report", str(after), "--baseline", str(before)) == 0
    assert (after / "report.html").exists()


def test_what_is_no_experiment_is_one_line_at_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _code("compare", str(tmp_path), str(tmp_path)) == 1
    told = f"There is no {tmp_path / 'experiment.json'}: no experiment was kept there, or it was not finished.\n"
    assert capsys.readouterr().err == told


def test_the_documented_schemas_are_those_of_what_is_written(tmp_path: Path) -> None:
    for name, schema in schemas().items():
        assert json.loads((FOLDER / name).read_text()) == schema, f"python -m evals.reporting.schemas writes {name} anew"
    seen = passing(8, 10)
    folder = _kept(tmp_path / "kept", seen)
    _written(folder, seen, passing(9, 10, "before"))
    for name in ("experiment.json", "verdict.json"):
        jsonschema.validate(json.loads((folder / name).read_text()), schemas()[name])
    assert [one.scores[0].value for one in read_experiment(folder).results] == [one.scores[0].value for one in seen.results]


def _code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(str(ended.value.code))


def test_junit_names_what_was_lost_and_not_how_quick_it_was(tmp_path: Path) -> None:
    seen = experiment([result("bad", {"contains": 0, "seconds": 0.4})])
    failure = ET.parse(_written(tmp_path, seen) / "report.xml").find("testsuite[@name='smoke']/testcase/failure")  # noqa: S314  # our own
    assert failure is not None
    assert failure.get("message") == "contains 0.00"


def test_a_comment_names_no_issue_of_the_repository(tmp_path: Path) -> None:
    _written(tmp_path, experiment([result("one", {"contains": 0})], warnings=["See #1."]))
    assert not re.search(r"#\d", (tmp_path / "report.md").read_text())


def test_a_calibrated_judge_is_shown_with_its_rates_and_their_intervals(tmp_path: Path) -> None:
    known = Calibration(
        judge="judge",
        metric="helpfulness",
        n=30,
        base_rate=0.5,
        true_positive_rate=wilson(14, 15),
        true_negative_rate=wilson(10, 13),
        kappa=Estimate(value=0.7, low=0.4, high=0.9, n=28),
        unreadable=2,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    _written(tmp_path, experiment([result("one", {"helpfulness": 1})], calibrations=[known]))
    good, bad = "93.3 % (70.2 % to 98.8 %, n = 15)", "76.9 % (49.7 % to 91.8 %, n = 13)"
    told = f"κ 0.70 (0.40 to 0.90, n = 28), finds {good} of good and {bad} of bad answers, 2 of 30 without a verdict"
    assert told in (tmp_path / "report.html").read_text()
