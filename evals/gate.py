"""Hold an experiment against the rules of a gate, each of which says in a sentence what it saw."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isinf
from typing import Final

from evals import wording
from evals.experiment import Experiment
from evals.figures import Figures, pairs_of
from evals.rules import Gate, NoRegression, Threshold, read_gate
from evals.statistics import Difference, Pair, detectable, difference, holm, mean, percentile
from evals.verdict import Judgement, State, Verdict

__all__ = ["Gate", "judge_gate", "read_gate"]

# A case that nobody could tell of is in no figure, and must not be how an agent gets better ones. What a measure cannot tell, such as the
# cost of a model without a price, is nobody's slip.
_VALUED: Final[Sequence[tuple[str, Collection[str]]]] = (("judges'", ("judge",)), ("checks'", ("check", "trajectory")))


def judge_gate(gate: Gate, experiment: Experiment, baseline: Experiment | None) -> Verdict:
    """Without a baseline the rules of `no_regression` say that nothing was compared, and are not red for it."""
    seen = Figures(experiment)
    judgements = [_errors(gate, experiment), *(_without_value(gate, experiment, *which) for which in _VALUED)]
    judgements += [_threshold(rule, seen) for rule in gate.thresholds if _concerns(rule, experiment)]
    rules = [rule for rule in gate.no_regression if _concerns(rule, experiment)]
    judgements += _regressions(rules, seen, Figures(baseline), gate.level) if baseline else map(_not_compared, rules)
    return Verdict(judgements=judgements, baseline=baseline.id if baseline else "")


def _concerns(rule: Threshold | NoRegression, experiment: Experiment) -> bool:
    return not rule.datasets or experiment.dataset in rule.datasets


def _errors(gate: Gate, experiment: Experiment) -> Judgement:
    failed = [result.answer for result in experiment.results if result.answer.error]
    count = len(experiment.results)
    codes = ", ".join(sorted({answer.error for answer in failed}))
    reason = f"{len(failed)} of {count} answers ended in an error" + (f" ({codes})" if failed else "")
    if not count:
        return Judgement(rule="errors", state="not_enough", reason="there is no answer")
    cases = list(dict.fromkeys(answer.case_id for answer in failed))
    return _share("errors", len(failed) / count, gate.most_errors, reason, cases)


def _without_value(gate: Gate, experiment: Experiment, whose: str, kinds: Collection[str]) -> Judgement:
    metrics = {metric.name for metric in experiment.metrics if metric.kind in kinds}
    scores = [(result.case.id, score) for result in experiment.results for score in result.scores if score.metric in metrics]
    cases = list(dict.fromkeys(case_id for case_id, score in scores if score.error))
    failed = sum(bool(score.error) for _, score in scores)
    names = ", ".join(sorted({score.metric for _, score in scores if score.error}))
    reason = f"{failed} of {len(scores)} {whose} scores have no value" + (f" ({names})" if failed else "")
    return _share(f"{whose} scores without a value", failed / max(1, len(scores)), gate.most_unreadable, reason, cases)


def _share(rule: str, seen: float, most: float, reason: str, cases: Sequence[str]) -> Judgement:
    state: State = "red" if seen > most else "green"
    return Judgement(rule=f"{rule} ≤ {wording.value(most)}", state=state, reason=f"{reason}; {wording.value(most)} may", cases=cases)


def _threshold(rule: Threshold, seen: Figures) -> Judgement:
    values = seen.values(rule.metric, rule.tag or "")
    found = Judgement(rule=_named(rule, seen), state="green", reason="", metric=rule.metric, tag=rule.tag or "")
    if len(values) < rule.min_n:
        return replace(found, state="not_enough", reason=_too_few(rule, len(values)))
    cases, share = [*values.values()], seen.is_share(rule.metric)
    shown = mean(cases, share=share) if rule.of == "mean" else percentile(cases, float(rule.of[1:]) / 100)
    least = rule.min is not None
    held = shown.value if rule.on == "value" else shown.low if least else shown.high
    good = held >= rule.min if rule.min is not None else held <= (rule.max or 0)
    worst = sorted(values, key=lambda case_id: values[case_id].value, reverse=not least)
    bad = [one for one in worst if (values[one].value < 1 if share and least else _is_beyond(rule, values[one].value))]
    reason = f"{_where(rule)}{'' if rule.of == 'mean' else f' {rule.of}'} is {wording.estimate(shown, _unit(rule.metric, seen))}"
    if not good and bad:
        reason += f"; bad: {wording.names(bad)}"
    return replace(found, state="green" if good else "red", reason=reason, estimate=shown, cases=bad)


def _is_beyond(rule: Threshold, value: float) -> bool:
    return value < rule.min if rule.min is not None else value > (rule.max or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """`worse` is how much worse it became, more being worse; `bad` are the cases that did, the worst first."""

    rule: NoRegression
    unit: str
    found: Difference
    p: float
    worse: float
    bad: Sequence[str]
    pairs: Sequence[Pair]


def _regressions(rules: Sequence[NoRegression], seen: Figures, before: Figures, level: float) -> Iterator[Judgement]:
    compared = [_compare(rule, seen, before) for rule in rules]
    enough = [one for one in compared if len(one.pairs) >= one.rule.min_n]
    corrected = dict(zip(map(id, enough), holm([one.p for one in enough]), strict=True))
    for one in compared:
        yield _regression(one, corrected[id(one)], level, len(enough)) if id(one) in corrected else _too_few_pairs(one)


def _compare(rule: NoRegression, seen: Figures, before: Figures) -> _Compared:
    pairs, unit = pairs_of(before, seen, rule.metric, rule.tag or ""), _unit(rule.metric, seen)
    sign = -1 if unit else 1
    found = difference([*pairs.values()])
    falls = {case_id: sign * (pair.before - pair.after) for case_id, pair in pairs.items()}
    bad = sorted((case_id for case_id, fall in falls.items() if fall > 0), key=lambda case_id: -falls[case_id])
    p = found.p_higher if unit else found.p_lower
    return _Compared(rule=rule, unit=unit, found=found, p=p, worse=-sign * found.estimate.value, bad=bad, pairs=[*pairs.values()])


def _regression(one: _Compared, p: float, level: float, rules: int) -> Judgement:
    red = p <= level and one.worse >= one.rule.min_effect and one.worse > 0
    figures = f"{_where(one.rule)} changed by {wording.changed(one.found.estimate, one.unit)}, {wording.chance(p)}"
    figures += f" corrected for {rules} rules" if rules > 1 else ""
    if red:
        reason = f"{figures}; turned bad: {wording.names(one.bad)}"
    elif p <= level and one.worse > 0:
        reason = f"{figures}; less than the {wording.change(one.rule.min_effect, one.unit).lstrip('+')} that count"
    else:
        reason = f"{figures}{_power(one, level / rules)}"
    state: State = "red" if red else "green"
    judged = Judgement(rule=_rule_named(one.rule), state=state, reason=reason, metric=one.rule.metric, tag=one.rule.tag or "")
    return replace(judged, estimate=one.found.estimate, p=p, cases=one.bad)


def _power(one: _Compared, level: float) -> str:
    """What the rule would have found; at the level of the first of several rules, which is the strictest."""
    least = detectable(one.pairs, level=level)
    return "" if isinf(least) else f"; so many cases find a change of {wording.change(least, one.unit).lstrip('+')} 8 times in 10"


def _too_few_pairs(one: _Compared) -> Judgement:
    reason = f"{_too_few(one.rule, len(one.pairs))} in both experiments, unchanged and judged by the same"
    return Judgement(rule=_rule_named(one.rule), state="not_enough", reason=reason, metric=one.rule.metric, tag=one.rule.tag or "")


def _not_compared(rule: NoRegression) -> Judgement:
    return Judgement(rule=_rule_named(rule), state="not_compared", reason="there is no baseline", metric=rule.metric, tag=rule.tag or "")


def _too_few(rule: Threshold | NoRegression, n: int) -> str:
    return f"{_where(rule)} has {n} cases with a value, and the rule asks for {rule.min_n}"


def _unit(metric: str, seen: Figures) -> str:
    return seen.metrics[metric].unit if metric in seen.metrics else ""


def _where(rule: Threshold | NoRegression) -> str:
    return f"{rule.metric}[{rule.tag}]" if rule.tag else rule.metric


def _named(rule: Threshold, seen: Figures) -> str:
    unit, of = _unit(rule.metric, seen), "" if rule.of == "mean" else f" {rule.of}"
    bound = f"≥ {wording.value(rule.min, unit)}" if rule.min is not None else f"≤ {wording.value(rule.max or 0, unit)}"
    return f"{_where(rule)}{of} {bound}{' on its interval' if rule.on == 'interval' else ''}"


def _rule_named(rule: NoRegression) -> str:
    return f"{_where(rule)} no worse than the baseline"
