"""What `python -m app new` writes is part of the house from the first moment on: every check passes untouched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import InvalidInput
from app.scaffold import new_agent, new_tool
from app.settings import ROOT

_SECONDS = 600
_BIN = Path(sys.executable).parent


def copy_of_the_repository(place: Path, *, with_types: bool) -> Path:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    if with_types and (ROOT / ".mypy_cache").exists():  # `make check` has just made it
        shutil.copytree(ROOT / ".mypy_cache", place / ".mypy_cache", ignore_dangling_symlinks=True)
    return place


def run(copy: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """A command of the locked tools, in the copy."""
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    environment = {name: value for name, value in environment.items() if not name.startswith(("PYTEST", "COV"))}
    whole = [str(_BIN / command[0]), *command[1:]]
    return subprocess.run(whole, cwd=copy, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603


def new(copy: Path, kind: str, name: str) -> "subprocess.CompletedProcess[str]":
    return run(copy, "python", "-m", "app", "new", kind, name)


def texts(copy: Path) -> dict[str, str]:
    """Every file of the copy that a scaffold could touch."""
    found = [path for folder in ("app", "tests") for path in (copy / folder).rglob("*") if path.suffix in {".py", ".md"}]
    return {str(path): path.read_text() for path in found}


@pytest.mark.timeout(2 * _SECONDS)
def test_a_new_tool_and_a_new_agent_pass_every_check_untouched(tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path, with_types=True)
    # First and last among the imports, numbers that sort by their value, and the longest name of all.
    tools, agents = ["order_status", "a", "z10", "z9", "q" * 40], ["poet", "aa", "x" * 40]
    for kind, names in (("tool", tools), ("agent", agents)):
        for name in names:
            made = new(copy, kind, name)
            assert made.returncode == 0, made.stderr
    written = [*(f"tests/agent/test_{name}.py" for name in tools), *(f"tests/agent/test_{name}_agent.py" for name in agents)]
    typed = [
        *written,
        *(f"app/agent/tools/{name}.py" for name in tools),
        *(f"app/agent/{name}" for name in agents),
        "app/agent/registry.py",
    ]
    for check in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["lint-imports", "--no-logo"],
        ["mypy", *typed],
        ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *written, "tests/agent"],
        ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_architecture.py", "-k", "tool or importing or small"],
    ):
        done = run(copy, *check)
        assert done.returncode == 0, f"{check}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
    assert "poet" in run(copy, "python", "-m", "app", "graph", "nobody").stderr
    assert "respond" in run(copy, "python", "-m", "app", "graph", "poet").stdout
    assert new(copy, "agent", "poet").returncode == 2


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("tool", "Weather", "is no name"),
        ("tool", "9lives", "is no name"),
        ("agent", "../poet", "is no name"),
        ("agent", "so_long" * 6, "is no name"),
        ("tool", "lambda", "a word of Python"),
        ("agent", "match", "a word of Python"),
        ("tool", "json", "of Python itself"),
        ("agent", "print", "of Python itself"),
        ("tool", "tool", "means something else"),
        ("tool", "calculate", "means something else"),
        ("agent", "agents", "means something else"),
        ("tool", "calculator", "app/agent/tools/calculator.py is there already"),
        ("tool", "graph", "tests/agent/test_graph.py is there already"),
        ("agent", "memory", "app/agent/memory.py is there already"),
        ("agent", "nodes", "is there already"),
        ("agent", "assistant", "means something else"),
    ],
)
def test_a_name_that_cannot_be_taken_is_refused_and_nothing_is_written(tmp_path: Path, kind: str, name: str, words: str) -> None:
    copy = copy_of_the_repository(tmp_path, with_types=False)
    before = texts(copy)
    with pytest.raises(InvalidInput, match=words):
        (new_tool if kind == "tool" else new_agent)(copy, name).write()
    assert texts(copy) == before
