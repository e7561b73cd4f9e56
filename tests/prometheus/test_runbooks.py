"""Whoever is woken finds a runbook that is there, and in it nothing that is not."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from app.cli import _parser
from app.observability.metrics import REGISTRY
from app.settings import ROOT, variables
from tests.prometheus.promql import metric, selectors
from tests.prometheus.rules import ALERTS, RECORDED, Rule

FOLDER: Final = ROOT / "docs" / "runbooks"
INDEX: Final = FOLDER / "README.md"
RUNBOOKS: Final = sorted(path for path in FOLDER.glob("*.md") if path != INDEX)
# As Grafana serves what is mounted among its own files: no public address of this repository is known to whoever runs it.
_ADDRESS: Final = "/public/milepost/docs/runbooks/"
_PARTS: Final = ("## What it means", "## See more", "## What to do")
_CODE: Final = " ".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
# Words in code marks that are neither ours nor a setting: of Postgres, and of other programs' metrics.
_FOREIGN: Final = {"max_connections", "repeat_interval"}


def _blocks(path: Path, language: str) -> Iterator[str]:
    for block in re.findall(rf"^ *```{language}\n(.*?)^ *```$", path.read_text(), re.DOTALL | re.MULTILINE):
        yield block.strip()


def _marked(path: Path) -> list[str]:
    """What stands in code marks, blocks aside."""
    prose = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`]+)`", prose)


def queries(path: Path) -> list[str]:
    return [*_blocks(path, "promql")]


def _runbook(alert: Rule) -> Path:
    assert alert.annotations["runbook_url"].startswith(_ADDRESS)
    return FOLDER / alert.annotations["runbook_url"].removeprefix(_ADDRESS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_runbook_that_knows_it(alert: Rule) -> None:
    head = _runbook(alert).read_text().partition("##")[0]
    # With its severity, in the brackets that follow it and those beside it.
    assert re.search(rf"`{alert.name}`[^()]*\({alert.severity}\)", head)


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_is_some_alerts_and_says_what_to_do(path: Path) -> None:
    ours = {alert.name for alert in ALERTS if _runbook(alert) == path}
    text = path.read_text()
    assert ours == set(re.findall(r"`([A-Z]\w+)`", text.partition("##")[0]))
    assert ours
    places = [text.index(part) for part in _PARTS]
    assert places == sorted(places)
    assert queries(path), "nothing to look at"


def test_the_index_has_every_alert_beside_its_runbook() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| \[[^\]]+\]\(([\w-]+\.md)\)", INDEX.read_text(), re.MULTILINE))
    assert rows == {alert.name: _runbook(alert).name for alert in ALERTS}


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_its_queries_name_metrics_that_there_are(path: Path) -> None:
    names = {name for family in REGISTRY.collect() for name in _samples(family.name, family.type)}
    foreign = {"up", "pg_up", "ALERTS"}
    for query in queries(path):
        found = {metric(selector) for selector in selectors(query)}
        assert found
        assert found <= names | set(RECORDED) | foreign


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_what_asks_which_of_many_leaves_out_those_with_nothing(path: Path) -> None:
    """Series are there from the start, at 0: one code that fails would stand among thirty that do not."""
    counted = re.compile(r"sum by \(\w+(, \w+)+\) \((increase|rate)\([^()]*\)\)")
    assert [query for query in queries(path) if counted.fullmatch(query)] == []


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_no_query_adds_sums_of_which_one_may_lack_what_the_other_has(path: Path) -> None:
    """A model that none stands in for has retries and no fallbacks: a sum of both would have neither."""
    assert [query for query in queries(path) if re.search(r"\)\s*\+\s*sum by", query)] == []


def _samples(name: str, kind: str) -> list[str]:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",))
    return [f"{name}{suffix}" for suffix in suffixes]


def test_its_commands_are_ours(capsys: pytest.CaptureFixture[str]) -> None:
    given = [line for path in RUNBOOKS for text in (*_marked(path), *_blocks(path, "sh")) for line in text.splitlines()]
    commands = [line.strip() for line in given if line.strip().startswith("python -m app ")]
    assert len(commands) > 10
    for command in commands:
        try:
            _parser().parse_args(shlex.split(command)[3:])
        except SystemExit:
            pytest.fail(f"{command}: {capsys.readouterr().err}")


def test_its_statements_run_on_our_schema(database_url: str) -> None:
    statements = [statement for path in RUNBOOKS for statement in _blocks(path, "sql")]
    assert len(statements) > 8
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_its_events_codes_and_settings_are_in_the_code(path: Path) -> None:
    settings = {name for name, _, _ in variables()}
    for word in _marked(path):
        name = word.partition("=")[0]
        if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name):
            assert name in settings, word
        elif re.fullmatch(r"[a-z]+(_[a-z]+)+", word) and word not in _FOREIGN:
            assert re.search(rf"\b{word}\b", _CODE), word
