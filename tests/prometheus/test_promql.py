"""What the tests of rules and panels read out of an expression."""

from tests.prometheus.promql import metric, selectors


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
