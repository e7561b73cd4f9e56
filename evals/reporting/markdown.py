"""A comment for a pull request: the verdict and why first, everything else folded away."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, takewhile
from typing import Final

from evals import wording
from evals.comparing import Row
from evals.experiment import Experiment, MetricInfo
from evals.figures import Figures, lost, passed
from evals.reporting.calibrations import calibration_said
from evals.reporting.judged import Judged
from evals.verdict import Judgement, State

# GitHub takes 65,536.
LONGEST: Final = 60_000
_LONGEST_TEXT: Final = 300
_MARKS: Final[dict[State, str]] = {"green": "✅", "red": "❌", "not_enough": "❌", "not_compared": "⚪"}
_PUNCTUATION: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&:/=$^])")
_CUT: Final = "\n\n…the rest did not fit; `report.html` has everything."


def markdown_report(experiment: Experiment, judged: Judged) -> str:
    seen = Figures(experiment)
    parts = [
        _head(experiment, judged),
        _rules(judged),
        *_warnings(experiment),
        _metrics(seen, judged),
        *_by_tag(seen, judged),
        *_failures(experiment),
    ]
    return _bounded(parts)


def said(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Show text of others as text: no markup, no link, no picture, no mention, no number of an issue, one line."""
    short = text if len(text) <= longest else f"{text[:longest]}…"
    line = " ".join("".join(one if one.isprintable() else " " for one in short).split())
    return _PUNCTUATION.sub(r"\\\1", line).replace("@", "@\u2060").replace("#", "#\u2060")


def _head(experiment: Experiment, judged: Judged) -> str:
    red = sum(not one.passed for one in judged.verdict.judgements)
    mark, colour = ("✅", "green") if judged.passed else ("❌", f"red: {red} of {len(judged.verdict.judgements)} rules")
    cases = len({result.case.id for result in experiment.results})
    target = ", ".join(f"{said(name)} {said(value)}" for name, value in experiment.target.items())
    title = f"## {mark} Evals: the gate is {colour}\n\n"
    against = f" Compared with {said(judged.comparison.before)}: {judged.comparison.shared} cases in both." if judged.comparison else ""
    counts = f"{cases} cases, {len(experiment.results)} answers"
    return f"{title}{said(experiment.dataset)} v{experiment.dataset_version}, {counts}, {target}.{against}"


def _rules(judged: Judged) -> str:
    rows = sorted(judged.verdict.judgements, key=lambda one: one.passed)
    return "\n".join(["| | rule | what was seen |", "|---|---|---|", *map(_rule, rows)])


def _rule(one: Judgement) -> str:
    return f"| {_MARKS[one.state]} | {said(one.rule)} | {said(one.reason, 600)} |"


def _warnings(experiment: Experiment) -> Iterator[str]:
    if experiment.warnings:
        yield "\n".join(f"> ⚠️ {said(warning)}" for warning in experiment.warnings)


def _metrics(seen: Figures, judged: Judged) -> str:
    rows = {row.metric: row for row in judged.comparison.rows if not row.tag} if judged.comparison else {}
    lines = [f"{_metric(seen, info)} {_change(rows.get(info.name))} |" for info in seen.metrics.values()]
    table = "\n".join(["| metric | n | value (95 %) | no value | calibration | change (95 %) |", "|---|---|---|---|---|---|", *lines])
    return _folded("Metrics", table)


def _metric(seen: Figures, info: MetricInfo) -> str:
    shown, failed = seen.estimate(info.name), seen.unreadable.get(info.name, 0)
    figure = f"{wording.value(shown.value, info.unit)} ({wording.interval(shown, info.unit)})" if shown.n else "none"
    trust = said(calibration_said(seen.experiment, info)) if info.kind == "judge" else ""
    return f"| {said(info.name)} | {shown.n} | {figure} | {failed or ''} | {trust} |"


def _change(row: Row | None) -> str:
    return f"{wording.changed(row.difference, row.unit)}, {wording.chance(row.p)}: {row.finding}" if row and row.difference.n else ""


def _by_tag(seen: Figures, judged: Judged) -> Iterator[str]:
    if not seen.tags:
        return
    changes = {(row.metric, row.tag): row for row in judged.comparison.rows} if judged.comparison else {}
    lines = [
        f"| {said(info.name)} | {said(tag)} | {_shown(seen, info, tag)} | {_change(changes.get((info.name, tag)))} |"
        for info in seen.metrics.values()
        for tag in seen.tags
        if seen.values(info.name, tag)
    ]
    yield _folded("By tag", "\n".join(["| metric | tag | value (95 %) | change (95 %) |", "|---|---|---|---|", *lines]))


def _shown(seen: Figures, info: MetricInfo, tag: str) -> str:
    return wording.estimate(seen.estimate(info.name, tag), info.unit)


def _failures(experiment: Experiment) -> Iterator[str]:
    kinds = {info.name: info.kind for info in experiment.metrics}
    bad = [result for result in experiment.results if passed(result, kinds) is False]
    lines = []
    for result in bad:
        why = said(result.answer.error) or "; ".join(f"{said(score.metric)}: {said(score.reasoning)}" for score in lost(result, kinds))
        lines.append(f"- **{said(result.case.id)}** {result.answer.attempt}: {why}")
    kept = _fitting(lines, lambda line: len(line) + 1, LONGEST // 2)
    rest = [f"- and {len(lines) - len(kept)} more: `report.html` has them"] if len(kept) < len(lines) else []
    if lines:
        yield _folded(f"Answers that did not pass ({len(lines)})", "\n".join([*kept, *rest]))


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _bounded(parts: Sequence[str]) -> str:
    """Leave out whole parts at the end rather than cut a table; what is never left out is cut at a line."""
    kept = _fitting(parts, lambda part: len(part) + 2, LONGEST - len(_CUT))
    if not kept:
        return parts[0][: LONGEST - len(_CUT)] + _CUT
    return "\n\n".join(kept) + ("" if len(kept) == len(parts) else _CUT) + "\n"


def _fitting(parts: Sequence[str], size: Callable[[str], int], most: int) -> Sequence[str]:
    count = len([*takewhile(lambda total: total <= most, accumulate(map(size, parts)))])
    return parts[:count]
