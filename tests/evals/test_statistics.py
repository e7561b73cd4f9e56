"""Figures against known ones, and intervals against how often they hold what they should."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from evals.statistics import DRAWS, Pair, Weighed, detectable, difference, holm, kappa, mcnemar, mean, percentile, wilson


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (7, 20), (20, 20), (81, 100)])
def test_a_share_has_the_interval_that_scipy_gives_it(successes: int, n: int) -> None:
    known = stats.binomtest(successes, n).proportion_ci(method="wilson")
    seen = wilson(successes, n)
    assert (seen.value, seen.low, seen.high, seen.n) == pytest.approx((successes / n, known.low, known.high, n))


def test_nothing_seen_says_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)
    assert mean([]).n == 0
    assert difference([]).p == 1


def test_twenty_passes_in_twenty_are_no_proof_that_nothing_fails() -> None:
    assert mean([Weighed(value=1)] * 20).low == pytest.approx(0.839, abs=0.001)


def test_a_case_of_weight_three_counts_three_times_and_unequal_weights_widen_the_interval() -> None:
    seen = mean([Weighed(value=1, weight=3), Weighed(value=0)])
    assert seen.value == 0.75
    assert seen.n == 2
    even = mean([Weighed(value=value) for value in (1, 1, 1, 0)] * 10)
    uneven = mean([Weighed(value=1, weight=9), Weighed(value=1), Weighed(value=1), Weighed(value=0, weight=11 / 3)] * 10)
    assert uneven.value == pytest.approx(even.value)
    assert uneven.high - uneven.low > even.high - even.low


def test_the_same_values_give_the_same_figures() -> None:
    cases = [Weighed(value=value / 10) for value in range(10)]
    assert mean(cases) == mean(cases)
    assert percentile(cases, 0.95) == percentile(cases, 0.95)


def test_an_interval_of_a_mean_holds_the_truth_in_about_95_of_100_samples() -> None:
    chance = np.random.default_rng(1)
    samples = [mean([Weighed(value=float(one)) for one in chance.beta(4, 2, 60)]) for _ in range(200)]
    held = sum(sample.low <= 4 / 6 <= sample.high for sample in samples)
    assert 180 <= held <= 199


def test_measures_are_not_pressed_into_shares() -> None:
    assert mean([Weighed(value=3.0)] * 5, share=False) == mean([Weighed(value=3.0)] * 5, share=False)
    assert mean([Weighed(value=3.0)] * 5, share=False).high == 3


def _pairs(bad: int, good: int, same: int) -> Sequence[Pair]:
    return [Pair(before=1, after=0)] * bad + [Pair(before=0, after=1)] * good + [Pair(before=1, after=1)] * same


def test_passes_and_failures_are_compared_by_mcnemars_test() -> None:
    seen = difference(_pairs(12, 3, 85))
    assert seen.estimate.value == pytest.approx(-0.09)
    assert seen.p_lower == pytest.approx(stats.binomtest(12, 15, alternative="greater").pvalue - stats.binom.pmf(12, 15, 0.5) / 2)
    assert seen.p == pytest.approx(2 * seen.p_lower)
    assert seen.p_higher == pytest.approx(1 - seen.p_lower)
    assert mcnemar(0, 0) == 1


def test_scores_between_are_compared_by_flipped_signs_as_scipy_does() -> None:
    chance = np.random.default_rng(2)
    gains = chance.normal(-0.05, 0.15, 60)
    known = stats.permutation_test(
        (gains,), np.mean, permutation_type="samples", alternative="less", n_resamples=20_000, rng=np.random.default_rng(3)
    )
    seen = difference([Pair(before=0, after=float(gain)) for gain in gains])
    assert seen.p_lower == pytest.approx(float(known.pvalue), abs=0.01)
    assert seen.estimate.low < gains.mean() < seen.estimate.high


def test_unchanged_scores_are_no_finding() -> None:
    seen = difference([Pair(before=0.5, after=0.5)] * 30)
    assert (seen.p_lower, seen.p_higher, seen.estimate.value) == (1, 1, 0)


def test_holm_corrects_as_his_paper_does() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_kappa_is_that_of_the_textbook_and_has_a_width_where_all_agree() -> None:
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    seen = kappa(pairs)
    assert seen.value == pytest.approx(0.4)
    assert seen.low < 0.4 < seen.high
    # Cohen's own interval for large samples: 0.4 ± 1.96 · √(0.7 · 0.3 / 50) / 0.5. The prior draws a little to the middle.
    assert (seen.low, seen.high) == pytest.approx((0.146, 0.654), abs=0.05)
    agreed = kappa([(True, True), (False, False)] * 15)
    assert agreed.value == agreed.high == 1
    assert 0.6 < agreed.low < 1


def test_kappa_of_those_who_always_say_yes_is_nothing() -> None:
    assert kappa([(True, True)] * 30).value == 0
    assert kappa([]).n == 0


def test_more_cases_find_smaller_falls() -> None:
    few, many = _pairs(5, 5, 40), _pairs(50, 50, 400)
    assert detectable(many) < detectable(few)
    assert detectable(few) == pytest.approx(0.157, abs=0.01)


def test_heavy_cases_make_the_sample_smaller_also_for_what_it_can_find() -> None:
    even = _pairs(5, 5, 40)
    assert detectable([Pair(before=pair.before, after=pair.after, weight=3) for pair in even]) == pytest.approx(detectable(even))
    heavy = [Pair(before=pair.before, after=pair.after, weight=20 if place % 5 == 0 else 1) for place, pair in enumerate(even)]
    assert detectable(heavy) > 1.5 * detectable(even)


def test_what_never_changed_says_nothing_of_what_could_be_found() -> None:
    assert detectable(_pairs(0, 0, 20)) == float("inf")
    assert detectable(_pairs(0, 0, 1)) == float("inf")


def test_twenty_cases_that_stayed_do_not_say_that_none_can_turn() -> None:
    stayed, fell = difference(_pairs(0, 0, 20)).estimate, difference(_pairs(20, 0, 0)).estimate
    # Bonett and Price: 0 ± 1.96 · √(2 / 22 / 22).
    assert (stayed.value, stayed.low, stayed.high) == pytest.approx((0, -0.126, 0.126), abs=0.001)
    assert (fell.value, fell.low) == (-1, -1)
    assert -0.8 < fell.high < -0.7
    seconds = difference([Pair(before=2.5, after=2.5)] * 20).estimate
    assert seconds.low == seconds.high == 0


def test_a_heavy_case_moves_the_mean_its_interval_and_the_test() -> None:
    light = [Weighed(value=0.2), *[Weighed(value=0.8)] * 9]
    heavy = [Weighed(value=0.2, weight=30), *light[1:]]
    assert mean(heavy).low < mean(heavy).value - 0.05
    assert mean(heavy).value == pytest.approx((30 * 0.2 + 9 * 0.8) / 39)
    falls = [Pair(before=0.9, after=0.1, weight=weight) for weight in (9, 9, 9)] + [Pair(before=0.1, after=0.9)] * 5
    even = [Pair(before=pair.before, after=pair.after) for pair in falls]
    assert difference(falls).p_lower < 0.2 < difference(even).p_lower
    passes = [Pair(before=1, after=0, weight=9)] * 3 + [Pair(before=0, after=1)] * 5
    assert difference(passes).p_lower < 0.2 < difference([Pair(before=pair.before, after=pair.after) for pair in passes]).p_lower


def test_draws_never_say_that_chance_cannot_do_it() -> None:
    assert difference([Pair(before=0.9, after=0.1)] * 60).p_lower == pytest.approx(1 / (DRAWS + 1))
