"""What a tool can see of the house: who imports whom, what importing does, and what every error must have."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from app import VERSION
from app.agent.tools import TOOLS
from app.api.errors import STATUSES, status_of
from app.errors import AppError
from app.errors.outcomes import OUTCOMES, outcome_of
from app.settings import ROOT

APP: Final = ROOT / "app"
MODULES: Final = sorted(APP.rglob("*.py"))
LONGEST_MODULE: Final = 300
LONGEST_FUNCTION: Final = 40

_IMPORT_ALL: Final = """
import json, os, socket, sys
from importlib import import_module
opened = []
socket.socket.connect = lambda *_: opened.append("socket")
before = dict(os.environ)
for name in json.loads(sys.argv[1]):
    import_module(name)
print(json.dumps({"sockets": opened, "files": os.listdir(), "environment": dict(os.environ) == before}))
"""


def _errors(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _errors(child)


def test_imports_go_one_way() -> None:
    checked = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # the locked tool
    assert checked.returncode == 0, checked.stdout


def test_importing_does_nothing(tmp_path: Path) -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    # The command itself, Alembic's scripts, and what only `extraction` imports, once it has told mem0 to be quiet: see its own test.
    skipped = ("app.__main__", "app.persistence.migrations", "app.persistence.mem0_reader")
    wanted = [name for name in names if not name.startswith(skipped)]
    command = [sys.executable, "-c", _IMPORT_ALL, json.dumps(wanted)]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)  # noqa: S603  # our own script
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sockets": [], "files": [], "environment": True}


def test_every_error_has_a_status_and_a_code_of_its_own() -> None:
    kinds = [*_errors()]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))
    # The abstract parents' statuses serve their children; whoever adds an error beside them must name one.
    assert {kind.code for kind in kinds if status_of(kind) == 500} <= {
        "internal_error",
        "database_refused",
        "settings_invalid",
        "migration_failed",
    }
    assert set(STATUSES) <= set(kinds)


def test_every_error_says_whether_a_run_that_it_ends_has_failed() -> None:
    """Whoever adds one decides whether somebody is to be called at night for it."""
    undecided = [
        kind.code for kind in _errors() if kind is not AppError and not {*kind.__mro__[: kind.__mro__.index(AppError)]} & {*OUTCOMES}
    ]
    assert undecided == []
    assert set(OUTCOMES) <= {*_errors()}


@pytest.mark.parametrize(
    ("outcome", "codes"),
    [
        ("cancelled", {"run_cancelled"}),
        (
            "refused",
            {"quota_exceeded", "cost_limit_reached", "step_limit_reached", "model_refused", "answer_withheld", "model_not_allowed"},
        ),
        ("refused", {"invalid_input", "invalid_answer", "turn_too_old", "session_not_found", "too_many_runs"}),
        ("failed", {"internal_error", "model_unavailable", "model_timeout", "model_rejected", "model_auth_failed", "content_hook_failed"}),
        ("failed", {"run_timeout", "run_lost", "attempts_exhausted", "database_unavailable", "database_refused", "server_stopping"}),
    ],
)
def test_what_limits_are_there_for_is_no_fault(outcome: str, codes: set[str]) -> None:
    assert {kind.code: outcome_of(kind) for kind in _errors() if kind.code in codes} == dict.fromkeys(codes, outcome)


@pytest.mark.parametrize("kind", [*_errors()], ids=lambda kind: kind.code)
def test_every_error_is_documented(kind: type[AppError]) -> None:
    lines = (ROOT / "docs" / "errors.md").read_text().splitlines()
    assert [line.startswith(f"| `{kind.code}` |") for line in lines].count(True) == 1


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_every_tool_is_in_the_list() -> None:
    files = {path.stem for path in (APP / "agent" / "tools").glob("*.py")} - {"__init__"}
    assert {tool.coroutine.__module__.rpartition(".")[2] for tool in TOOLS} == files  # type: ignore[attr-defined]  # our tools are all functions


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "grafana").rglob("*.py"))], ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_are_small_enough_to_see(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_MODULE
    if "versions" not in path.parts:
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION] == []


def test_the_repository_names_no_registry_and_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()  # noqa: S607
    words = tuple(
        "".join(parts) for parts in (("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org"), ("/work", "/main"), ("/ro", "ot/"))
    )
    ours = [ROOT / name for name in listed if "vendor" not in name and not name.endswith((".png", ".woff2"))]
    assert [str(path) for path in ours if path.is_file() and any(word in path.read_text(errors="ignore") for word in words)] == []
