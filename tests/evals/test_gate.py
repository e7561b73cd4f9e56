"""A gate is red for what is bad, says why, and is not red for luck."""

from pathlib import Path

import pytest

from evals.cases import Case
from evals.comparing import compare
from evals.errors import Misused
from evals.experiment import MetricInfo
from evals.figures import passed
from evals.gate import judge_gate, read_gate
from evals.rules import Gate, NoRegression, Threshold
from evals.simulation import ONE_RULE, Setting, red_share
from evals.verdict import Judgement
from tests.evals.experiments import experiment, passing, result

SHIPPED = Path("evals/gate.yaml")


def _only(rule: Threshold | NoRegression, seen: object, before: object = None) -> Judgement:
    gate = Gate(thresholds=(rule,)) if isinstance(rule, Threshold) else Gate(no_regression=(rule,))
    return judge_gate(gate, seen, before).judgements[-1]  # type: ignore[arg-type]  # experiments


def test_a_figure_under_its_threshold_is_red_and_says_how_much_of_how_many_and_which() -> None:
    judged = _only(Threshold(metric="passed", min=0.9), passing(16, 20))
    assert judged.state == "red"
    assert judged.rule == "passed ≥ 90.0 %"
    assert judged.reason == "passed is 80.0 % (58.4 % to 91.9 %, n = 20); bad: case-16, case-17, case-18, case-19"
    assert _only(Threshold(metric="passed", min=0.8), passing(16, 20)).state == "green"


def test_a_threshold_on_the_interval_does_not_pass_by_luck() -> None:
    assert _only(Threshold(metric="passed", min=0.75), passing(16, 20)).passed
    assert not _only(Threshold(metric="passed", min=0.75, on="interval"), passing(16, 20)).passed
    assert _only(Threshold(metric="passed", min=0.75, on="interval"), passing(160, 200)).state == "red"
    assert _only(Threshold(metric="passed", min=0.73, on="interval"), passing(160, 200)).state == "green"


def test_a_metric_that_is_not_there_is_red() -> None:
    judged = _only(Threshold(metric="grace", min=0.1), passing(20, 20))
    assert (judged.state, judged.passed) == ("not_enough", False)
    assert judged.reason == "grace has 0 cases with a value, and the rule asks for 1"


def test_too_few_cases_are_not_enough_however_good_they_are() -> None:
    judged = _only(Threshold(metric="passed", tag="tools", min=0.5, min_n=10), passing(9, 9, tag="tools"))
    assert judged.reason == "passed[tools] has 9 cases with a value, and the rule asks for 10"
    assert not judged.passed


def test_a_rule_is_about_its_datasets_and_its_tag() -> None:
    gate = Gate(thresholds=(Threshold(metric="passed", min=1, datasets=("safety",)),))
    assert judge_gate(gate, passing(1, 20), None).passed
    talk = [result(Case(id="talk", input="?", tags=frozenset({"talk"})), {"contains": 0})]
    tools = [result(Case(id="tools", input="?", tags=frozenset({"tools"})), {"contains": 1})]
    assert _only(Threshold(metric="passed", tag="tools", min=1), experiment(talk + tools)).passed


def test_slow_answers_are_red_by_percentile_and_the_slow_ones_are_named() -> None:
    seen = experiment([result(f"case-{number}", {"seconds": 90 if number < 3 else 1}) for number in range(20)])
    judged = _only(Threshold(metric="seconds", of="p95", max=60), seen)
    assert judged.reason.startswith("seconds p95 is 90.00 s")
    assert judged.state == "red"
    assert list(judged.cases) == ["case-0", "case-1", "case-2"]
    assert _only(Threshold(metric="seconds", of="p50", max=60), seen).passed


def test_errors_and_scores_without_a_value_are_red_and_no_zeros() -> None:
    results = [result(f"case-{number}", {"helpfulness": 1}) for number in range(9)]
    seen = experiment([*results, result("judged", {"helpfulness": None}), result("broken", {}, error="provider_unavailable")])
    errors, unreadable, _, liked = judge_gate(Gate(thresholds=(Threshold(metric="helpfulness", min=1),)), seen, None).judgements
    assert errors.reason == "1 of 11 answers ended in an error (provider_unavailable); 0.0 % may"
    assert list(errors.cases) == ["broken"]
    assert unreadable.reason == "1 of 10 judges' scores have no value (helpfulness); 5.0 % may"
    assert (errors.state, unreadable.state, liked.state) == ("red", "red", "green")
    cost = [MetricInfo(name="cost", kind="measure", unit="$")]
    unpriced = experiment([result(f"case-{number}", {"cost": None}) for number in range(9)], metrics=cost)
    assert judge_gate(Gate(), unpriced, None).passed, "a model without a price is no judge that slipped"


def test_an_answer_that_ended_in_an_error_has_not_passed() -> None:
    seen = experiment([result("good", {"contains": 1}), result("broken", {"contains": 1}, error="run_timeout")])
    judged = _only(Threshold(metric="passed", min=0.6), seen)
    assert judged.estimate is not None
    assert judged.estimate.value == 0.5


def test_an_empty_experiment_is_red() -> None:
    assert not judge_gate(Gate(), experiment([]), None).passed


def test_what_became_worse_is_red_and_names_the_cases() -> None:
    judged = _only(NoRegression(metric="passed"), passing(80, 100), passing(95, 100))
    assert judged.state == "red"
    assert judged.reason == (
        "passed changed by -15.0 points (-22.0 to -8.0 points, n = 100), p < 0.001; "
        "turned bad: case-80, case-81, case-82, case-83, case-84 and 10 more"
    )
    assert _only(NoRegression(metric="passed"), passing(95, 100), passing(80, 100)).state == "green"


def test_a_fall_that_chance_explains_or_that_nobody_minds_is_green_and_says_so() -> None:
    luck = _only(NoRegression(metric="passed"), passing(18, 20), passing(19, 20))
    assert luck.state == "green"
    assert "so many cases find a change of" in luck.reason
    small = _only(NoRegression(metric="passed", min_effect=0.1), passing(92, 100), passing(100, 100))
    assert small.state == "green"
    assert small.reason.endswith("less than the 10.0 points that count")


def test_slower_is_worse_and_faster_is_not() -> None:
    fast, slow = (experiment([result(f"c{one}", {"seconds": base + one / 10}) for one in range(20)], f"at-{base}") for base in (1, 2))
    rule = NoRegression(metric="seconds", min_effect=0.5)
    assert _only(rule, slow, fast).state == "red"
    assert _only(rule, fast, slow).state == "green"


def test_without_a_baseline_nothing_is_compared_and_that_is_said() -> None:
    judged = _only(NoRegression(metric="passed"), passing(1, 20))
    assert (judged.state, judged.reason, judged.passed) == ("not_compared", "there is no baseline", True)


def test_a_case_that_asks_something_else_by_now_is_not_compared() -> None:
    before = experiment([result(Case(id=f"case-{one}", input="Before"), {"contains": 1}) for one in range(20)], "before")
    judged = _only(NoRegression(metric="passed"), passing(0, 20), before)
    assert judged.state == "not_enough"
    assert (
        judged.reason == "passed has 0 cases with a value, and the rule asks for 10 in both experiments, unchanged and judged by the same"
    )


def test_the_shipped_gate_reads_and_passes_what_is_good() -> None:
    gate = read_gate(SHIPPED)
    good = experiment([result(f"case-{one}", {"contains": 1, "seconds": 1}) for one in range(20)])
    assert judge_gate(gate, good, good).passed
    assert not judge_gate(gate, passing(10, 20), None).passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thresholds: [{metric: passed}]", "thresholds.0: must have one of min and max"),
        ("treshold: []", "treshold: Extra inputs are not permitted"),
        ("a: [", "this is no YAML"),
        ("level: 2", "level: Input should be less than 0.5"),
    ],
)
def test_a_gate_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(text)
    with pytest.raises(Misused) as raised:
        read_gate(path)
    assert str(raised.value) == f"{path}: {said}"


def test_an_unchanged_agent_passes_95_of_100_times_over_all_rules() -> None:
    assert red_share(Setting(fall=0), runs=200) <= 0.05


def test_ten_points_worse_are_found() -> None:
    assert red_share(Setting(fall=0.1, gate=ONE_RULE), runs=100) >= 0.75
    assert red_share(Setting(fall=0.1, repeats=3), runs=50) >= 0.9


def test_a_check_that_cannot_tell_is_red_and_does_not_vanish() -> None:
    results = [result(f"case-{number}", {"contains": None if number < 2 else 1}) for number in range(20)]
    judged = judge_gate(Gate(thresholds=(Threshold(metric="passed", min=1),)), experiment(results), None).judgements
    assert [one.state for one in judged] == ["green", "green", "red", "green"]
    assert judged[2].reason == "2 of 20 checks' scores have no value (contains); 5.0 % may"
    assert list(judged[2].cases) == ["case-0", "case-1"]


def test_what_another_judge_says_is_no_change_of_the_agent() -> None:
    before, after = (
        experiment([result(f"case-{one}", {"helpfulness": value, "contains": 1}) for one in range(20)], judge=judge)
        for value, judge in ((1, "strict"), (0.2, "stricter"))
    )
    assert _only(NoRegression(metric="helpfulness"), after, before).state == "not_enough"
    assert _only(NoRegression(metric="passed"), after, before).state == "green"
    assert [row.finding for row in compare(before, after).rows if row.metric == "helpfulness"] == ["not comparable"]


def test_a_case_that_somebody_has_read_since_is_the_same_case() -> None:
    before, after = (
        experiment([result(Case(id=f"case-{one}", input="?", reviewed=read, note=str(read)), {"contains": 1}) for one in range(20)])
        for read in (False, True)
    )
    assert _only(NoRegression(metric="passed"), after, before).state == "green"


def test_what_a_rule_can_find_is_said_at_its_level_and_not_where_nothing_is_scattered() -> None:
    before, after = passing(45, 50), passing(44, 50)
    alone = _only(NoRegression(metric="passed"), after, before).reason
    rules = (NoRegression(metric="passed"), NoRegression(metric="contains"))
    of_two = judge_gate(Gate(no_regression=rules), after, before).judgements[-1].reason
    assert _found(of_two) > _found(alone)
    assert "so many cases" not in _only(NoRegression(metric="passed"), before, before).reason


def _found(reason: str) -> float:
    return float(reason.split("find a change of ")[1].split(maxsplit=1)[0])


def test_a_fall_is_red_only_at_the_level_corrected_for_all_rules() -> None:
    before, after = passing(100, 100), passing(96, 100)
    assert _only(NoRegression(metric="passed"), after, before).state == "red"
    rules = tuple(NoRegression(metric=metric) for metric in ("passed", "contains"))
    judged = judge_gate(Gate(no_regression=rules), after, before).judgements[-2:]
    assert [one.state for one in judged] == ["green", "green"]
    assert all("corrected for 2 rules" in one.reason for one in judged)


def test_a_case_counts_as_the_mean_of_its_answers_and_by_its_weight() -> None:
    often = [result(Case(id="often", input="?", weight=3), {"contains": float(attempt > 1)}, attempt=attempt) for attempt in (1, 2, 3, 4)]
    judged = _only(Threshold(metric="passed", min=0.9), experiment([*often, result("once", {"contains": 1})]))
    assert judged.estimate is not None
    assert (judged.estimate.value, judged.estimate.n) == ((3 * 0.75 + 1) / 4, 2)


def test_a_check_that_cannot_tell_leaves_open_what_others_do_not_decide() -> None:
    kinds = {"contains": "check", "language": "check"}
    assert passed(result("open", {"contains": 1, "language": None}), kinds) is None
    assert passed(result("lost", {"contains": 0, "language": None}), kinds) is False


def test_a_comparison_calls_slower_worse_and_wordier_only_changed() -> None:
    metrics = [MetricInfo(name="seconds", kind="measure", unit="s"), MetricInfo(name="words", kind="measure", unit="words")]
    before, after = (experiment([result(f"c{one}", {"seconds": n, "words": n}) for one in range(20)], metrics=metrics) for n in (1, 9))
    assert {row.metric: row.finding for row in compare(before, after).rows} == {"seconds": "worse", "words": "changed"}
