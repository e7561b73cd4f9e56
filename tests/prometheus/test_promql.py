"""What the tests of rules and panels read out of an expression."""

import pytest

from tests.prometheus.promql import metric, operands, selectors


def test_selectors_are_found_between_functions_words_and_numbers() -> None:
    expression = """
      histogram_quantile(0.95, sum by (instance, le) (rate(a_seconds_bucket{job=~"x|y", le!="1.0"}[5m]))) > 1e9
      and on (instance) 2 * recorded:of_a:ratio_rate5m unless (time() - max by (by) (b) offset 1h)
      or absent(up{job="milepost"}) or sum(rate(a_seconds_bucket{job=~"x|y", le!="1.0"}[1h]))
    """
    assert selectors(expression) == ['a_seconds_bucket{job=~"x|y", le!="1.0"}', "recorded:of_a:ratio_rate5m", "b", 'up{job="milepost"}']


def test_a_constant_is_about_nothing() -> None:
    assert selectors("vector(1)") == []


def test_a_selector_names_its_metric() -> None:
    assert [metric(one) for one in ('a_total{b="c"}', "d:e")] == ["a_total", "d:e"]


@pytest.mark.parametrize(
    ("expression", "compared"),
    [
        ("vector(1)", ["vector(1)"]),
        ("up == 0", ["up", "0"]),
        ('rate(a{b!="c",d=~"e"}[5m]) / (sum(f) > 0) > 0.05', ['rate(a{b!="c",d=~"e"}[5m]) / (sum(f))', "0.05"]),
        ("a > 2 * b and on (instance) sum by (instance) (c) > 1", ["a", "2 * b", "sum by (instance) (c)", "1"]),
        ("a > 3 * (max(b) > 0)", ["a", "3 * (max(b))"]),
        ('time() - max(a) > 5 or absent(a{b="c"})', ["time() - max(a)", "5", 'a{b="c"}']),
    ],
)
def test_operands_are_what_a_condition_compares(expression: str, compared: list[str]) -> None:
    assert operands(expression) == compared
