"""The renderer, on a dashboard with a panel of each kind, asked of a real Prometheus about itself."""

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from grafana.boards.kinds import bars, dial, heat, number, series, states, table
from grafana.boards.panels import Board, Limits, Panel, Query, Row
from grafana.boards.writing import as_text
from grafana.pictures.asking import Span, ask, filled
from grafana.pictures.page import Page
from grafana.pictures.prometheus import Prometheus, Refused
from grafana.pictures.units import text
from tests.prometheus.process import PrometheusProcess

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FEW: Final = 3_000
_SCRAPED: Final = "prometheus_http_request_duration_seconds_bucket"


def _dashboard(*panels: Panel) -> dict[str, Any]:
    board = Board(uid="u", title="All kinds", description="One of each", rows=(Row("Row", panels),))
    dashboard: dict[str, Any] = json.loads(as_text(board))
    return dashboard


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with PrometheusProcess(tmp_path_factory.mktemp("pictures"), {}) as running, Prometheus(f"http://{running.address}") as asking:
        deadline = time.monotonic() + 30
        while not any(one.values for one in asking.at(f"rate({_SCRAPED}[1m])", time.time())):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield asking


@pytest.fixture
def span() -> Span:
    return Span(begin=time.time() - 60, end=time.time(), scrape_seconds=1)


@pytest.mark.prometheus
def test_every_kind_of_panel_is_drawn(asking: Prometheus, span: Span) -> None:
    up = Query("up", "{{job}}")
    limits = Limits(0.5, 1)
    page = Page(
        _dashboard(
            number("Number", "N.", up, limits=limits),
            number("Word", "W.", up, words={1: ("up", "green")}),
            dial("Dial", "D.", up, limits=limits),
            series("Lines", "L.", up, Query("vector(0)"), limits=limits),
            series("Stack", "S.", up, unit="s", stacked=True, colours={"prometheus": "red"}),
            bars("Bars", "B.", Query("up")),
            table("Table", "T.", Query("up"), Query("2 * up"), columns={"job": "Job", "Value #A": "Up", "Value #B": "Twice"}),
            heat("Heat", "H.", Query(f"sum by (le) (rate({_SCRAPED}[1m]))")),
            states("States", "S.", Query("up", "{{job}}"), words={0: ("down", "red"), 1: ("up", "green")}),
            series("Nothing", "N.", Query("nobody_has_this")),
        ),
        span,
    )
    assert page.draw(asking) == ["Nothing"]
    picture = page.png()
    assert picture.startswith(_PNG)
    assert len(picture) > _FEW


@pytest.mark.prometheus
def test_a_legend_has_the_labels_that_it_names(asking: Prometheus, span: Span) -> None:
    dashboard = _dashboard(series("Up", "U.", Query("up", "{{job}} is up"), Query("vector(7)")))
    named, bare = ask(asking, dashboard["panels"][1], span)
    assert (named.names, bare.names) == (["prometheus is up"], ["value"])
    assert bare.found[0].values[-1] == 7


@pytest.mark.prometheus
def test_a_query_that_prometheus_does_not_take_is_told(asking: Prometheus, span: Span) -> None:
    with pytest.raises(Refused, match="sum by"):
        Page(_dashboard(series("Broken", "B.", Query("sum by (job (up)"))), span).draw(asking)


def test_variables_are_filled_in_and_none_is_left() -> None:
    span = Span(begin=0, end=3_600, scrape_seconds=15)
    assert filled('rate(a{instance=~"$instance", model=~"$model"}[$__rate_interval])', span) == 'rate(a{instance=~".*", model=~".*"}[60s])'
    assert filled("increase(a[$__range])", span) == "increase(a[3600s])"
    assert filled('a{model=~"$model"}', span, {"model": "gpt-5"}) == 'a{model=~"gpt-5"}'
    with pytest.raises(ValueError, match="nobody knows"):
        filled("a{b='$tenant'}", span)


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        ("s", 0.0042, "4.2 ms"),
        ("s", 90_000, "1.04 days"),
        ("percentunit", 0.955, "95.5 %"),
        ("bytes", 3 * 2**20, "3 MiB"),
        ("reqps", 1_500, "1.5 k req/s"),
        ("currencyUSD", 0.004, "$0.004"),
        ("currencyUSD", 12, "$12.00"),
        ("short", -2_500, "-2.5 k"),
        ("none", 1_234, "1234"),
    ],
)
def test_numbers_are_written_in_their_unit(unit: str, value: float, words: str) -> None:
    assert text(value, {"unit": unit}) == words
