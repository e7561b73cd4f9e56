"""What of the documents is drawn from the code is as the code is."""

from collections.abc import Mapping

import pytest

from app.agent.registry import AGENTS
from app.settings import ROOT, variables
from handbook.configuration import configuration
from handbook.drawn import drawn


def _rows() -> Mapping[str, list[str]]:
    lines = [line for line in configuration().splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("| ").split(" | ")])}


def test_the_documents_have_what_the_code_says() -> None:
    for path, text in drawn().items():
        assert path.read_text() == text, f"{path.name}: .venv/bin/python -m handbook write"


def test_each_agents_graph_is_in_the_concepts() -> None:
    concepts = (ROOT / "docs" / "concepts.md").read_text()
    for agent in AGENTS:
        assert f"<!-- the graph of {agent.name}, by" in concepts, agent.name


def test_each_variable_has_its_row_with_what_it_does() -> None:
    rows = _rows()
    assert rows.keys() == {name for name, _, _ in variables()}
    for name, (values, _, said) in rows.items():
        assert values, name
        assert said, name


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("PORT", ["whole number,<br>0 to 65,535", "`8000`"]),
        ("BODY_SECONDS", ["number,<br>more than 0 to 86,400", "`120`"]),
        ("HASH_MEMORY_KIB", ["whole number,<br>64 to 1,000,000", "`65536`"]),
        ("MEMORY_THRESHOLD", ["number,<br>-1 to 1", "empty"]),
        ("LLM_CLIENT", ["`lean` or `stock`", "`lean`"]),
        ("WORKER_IN_SERVER", ["`true` or `false`", "`false`<br>development: `true`"]),
        ("RATE_LIMIT_DEFAULT", ["text", "`200 per day; 50 per hour`<br>development: `100000 per minute`"]),
        ("JWT_PREVIOUS_SECRET_KEYS", ["secrets, with commas", ""]),
        ("MCP_FILE", ["path", "empty"]),
    ],
)
def test_values_and_defaults_are_told(name: str, cells: list[str]) -> None:
    assert _rows()[name][:2] == cells


def test_no_secret_has_a_default() -> None:
    secrets = {name: default for name, (values, default, _) in _rows().items() if values.startswith("secret")}
    assert len(secrets) > 8
    assert set(secrets.values()) == {""}
