"""JUnit's XML, which every CI reads: a suite of the gate's rules, and one of the answers."""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from evals.experiment import Experiment, Result
from evals.figures import lost, passed
from evals.verdict import Verdict

_LONGEST: Final = 2_000
# What XML 1.0 cannot say at all, not even escaped.
_UNSAYABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_report(experiment: Experiment, verdict: Verdict) -> bytes:
    suites = ET.Element("testsuites", name=_said(experiment.name))
    gate = ET.SubElement(suites, "testsuite", name="gate")
    for judgement in verdict.judgements:
        case = ET.SubElement(gate, "testcase", classname="gate", name=_said(judgement.rule))
        if judgement.state == "not_compared":
            ET.SubElement(case, "skipped", message=_said(judgement.reason))
        elif not judgement.passed:
            ET.SubElement(case, "failure", message=_said(judgement.reason)).text = _said("\n".join(judgement.cases))
    answers = ET.SubElement(suites, "testsuite", name=_said(experiment.dataset), timestamp=experiment.began_at.isoformat())
    kinds = {info.name: info.kind for info in experiment.metrics}
    for result in experiment.results:
        _add(answers, result, kinds)
    for suite in suites:
        _count(suite)
    written: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written


def _add(suite: ET.Element, result: Result, kinds: Mapping[str, str]) -> None:
    answer, held = result.answer, passed(result, kinds)
    name = f"{result.case.id} #{answer.attempt}"
    case = ET.SubElement(suite, "testcase", classname=suite.get("name", ""), name=name, time=f"{answer.seconds:.3f}")
    if answer.error:
        ET.SubElement(case, "error", type=_said(answer.error), message=_said(answer.detail or answer.error))
    elif held is False:
        bad = lost(result, kinds)
        message = ", ".join(f"{score.metric} {score.value:.2f}" for score in bad)
        reasons = "\n".join(f"{score.metric}: {score.reasoning}" for score in bad)
        ET.SubElement(case, "failure", message=_said(message)).text = _said(f"{reasons}\n\n{answer.text}")
    elif held is None:
        ET.SubElement(case, "skipped", message="no check says whether this is right")


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite)))
    for kind, named in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(named, str(len(suite.findall(f"testcase/{kind}"))))


def _said(text: str) -> str:
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return _UNSAYABLE.sub("\ufffd", short)
