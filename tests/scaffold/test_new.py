"""What `python -m app new` writes is part of the house from the first moment on: every check passes untouched."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from app.cli import main
from app.errors import InvalidInput
from app.scaffold import new_agent, new_tool
from app.scaffold.names import MAX_LENGTH
from app.settings import ROOT

_SECONDS: Final = 600
_GUIDE: Final = ROOT / "docs" / "your-own-agent.md"
# Whoever has followed the guide has its names already.
_NAMES_OF_GUIDE: Final = {"cook": "trial_cook", "COOK": "TRIAL_COOK", "scale_amount": "trial_amount"}
# In its order, by the names that are tried here.
_FILES_OF_GUIDE: Final = (
    "app/agent/tools/trial_amount.py",
    "tests/agent/test_trial_amount.py",
    "app/agent/trial_cook/__init__.py",
    "app/agent/trial_cook/shopping.py",
    "app/agent/trial_cook/graph.py",
    "tests/api/test_trial_cook.py",
)
# First and last among the imports, numbers that sort by their value, and the longest name of all.
_TOOLS: Final = ["trial_status", "a_trial", "z10_trial", "z9_trial", "q" * MAX_LENGTH]
_AGENTS: Final = ["trial_poet", "aa_trial", "x" * MAX_LENGTH]
# All that looks at each agent, each tool or each file: a new one touches no other test, as a whole `make check` in such a copy shows.
_TOUCHED: Final = [
    *(f"tests/agent/test_{name}.py" for name in [*_TOOLS, *(f"{agent}_agent" for agent in _AGENTS), "trial_cook_agent", "trial_amount"]),
    *(f"tests/agent/test_{about}.py" for about in ("agents", "approval", "graph", "prompts", "tools", "tool_safety")),
    "tests/api/test_trial_cook.py",
    "tests/api/test_agents.py::test_the_agents_are_listed_with_their_schemas_and_a_picture",
    "tests/api/test_agents.py::test_an_unknown_agent_is_refused_with_the_list",
    "tests/api/test_mcp_server.py::test_each_agent_is_a_tool",
    "tests/llm/test_demo.py",
    "tests/test_architecture.py",
    "tests/test_settings.py::test_the_example_lists_every_variable_with_its_default_and_a_comment",
]


def copy_of_the_repository(place: Path) -> Path:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


def copy_to_check(place: Path) -> Path:
    """A repository of its own, with this one's environment and what mypy knows already: `make check` has just found it out."""
    copy = copy_of_the_repository(place)
    (copy / ".venv").symlink_to(sys.prefix)
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", copy / ".mypy_cache", ignore_dangling_symlinks=True)
    run(copy, "git", "init", "--quiet")
    return copy


def run(copy: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Nothing of the tests around it, nor of the `make` around these, is told to the command."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV", "MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603


def make(copy: Path, *arguments: str) -> str:
    # The environment is this one's, and not the copy's to install.
    done = run(copy, "make", "--no-print-directory", "--old-file=.venv/.dev", *arguments)
    assert done.returncode == 0, f"make {' '.join(arguments)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    return done.stdout


def new(copy: Path, kind: str, name: str) -> "subprocess.CompletedProcess[str]":
    return run(copy, ".venv/bin/python", "-m", "app", "new", kind, name)


def texts(copy: Path) -> dict[str, str]:
    """Every file of the copy that a scaffold could touch."""
    found = [path for folder in ("app", "tests") for path in (copy / folder).rglob("*") if path.suffix in {".py", ".md"}]
    return {str(path): path.read_text() for path in found}


def follow_the_guide(copy: Path) -> None:
    """Have its agent, its tool and its subgraph, with each file as the guide says it is or becomes."""
    text = _GUIDE.read_text()
    for name, other in _NAMES_OF_GUIDE.items():
        text = text.replace(name, other)
    new_agent(copy, "trial_cook").write()
    new_tool(copy, "trial_amount").write()
    prompt = copy / "app/agent/prompts/trial_cook.md"
    [first_line] = re.findall(r"^```\n(You are .*)\n```", text, re.MULTILINE)
    prompt.write_text("\n".join([first_line, *prompt.read_text().splitlines()[1:], ""]))
    for file, code in zip(_FILES_OF_GUIDE, re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL), strict=True):
        assert file in text
        (copy / file).write_text(code)


@pytest.mark.timeout(2 * _SECONDS)
def test_new_tools_and_agents_pass_make_check_untouched_and_so_does_what_the_guide_makes_of_them(tmp_path: Path) -> None:
    copy = copy_to_check(tmp_path)
    for kind, names in (("tool", _TOOLS), ("agent", _AGENTS)):
        assert new(copy, kind, names[0]).returncode == 0
        for name in names[1:]:
            (new_tool if kind == "tool" else new_agent)(copy, name).write()
    untouched = texts(copy)
    make(copy, "format")
    assert texts(copy) == untouched
    follow_the_guide(copy)
    make(copy, "format")
    run(copy, "git", "add", "--all")
    said = make(copy, "check", f"PYTEST_ARGS=-n 0 {' '.join(_TOUCHED)}")
    assert "Success: no issues found" in said
    assert "0 broken" in said
    assert " passed" in said


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
        ("tool", "calculate", "There is a tool calculate already"),
        ("agent", "agents", "means something else"),
        ("tool", "calculator", "app/agent/tools/calculator.py is there already"),
        ("tool", "graph", "tests/agent/test_graph.py is there already"),
        ("agent", "memory", "app/agent/memory.py is there already"),
        ("agent", "nodes", "is there already"),
        ("agent", "assistant", "There is an agent assistant already"),
    ],
)
def test_a_name_that_cannot_be_taken_is_refused_and_nothing_is_written(tmp_path: Path, kind: str, name: str, words: str) -> None:
    copy = copy_of_the_repository(tmp_path)
    before = texts(copy)
    with pytest.raises(InvalidInput, match=words):
        (new_tool if kind == "tool" else new_agent)(copy, name).write()
    assert texts(copy) == before


REGISTRY: Final = "app/agent/registry.py"


def tree(place: Path) -> Path:
    """No more of the repository than an agent's files go into."""
    for folder in ("app/agent/prompts", "tests/agent"):
        (place / folder).mkdir(parents=True)
    shutil.copy2(ROOT / REGISTRY, place / REGISTRY)
    return place


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        ("AGENTS: Final = (ONE,)\n\ndef broken(:\n", "app/agent/registry.py is no Python \\(line 3: "),
        ("from app.agent.one import ONE\n", "app/agent/registry.py has no tuple AGENTS"),
        ("from app.agent.one import ONE\nAGENTS: Final = [ONE]\n", "app/agent/registry.py has no tuple AGENTS"),
        ("AGENTS: Final = ()\n", "app/agent/registry.py is not as `make format` leaves it"),
        (
            "from app.agent.one import ONE\nAGENTS: Final = (\n    ONE,\n    TWO\n)\n",
            "app/agent/registry.py is not as `make format` leaves it",
        ),
    ],
)
def test_a_registry_that_no_name_can_be_added_to_is_told_of_and_nothing_is_written(tmp_path: Path, registry: str, words: str) -> None:
    root = tree(tmp_path)
    (root / REGISTRY).write_text(registry)
    with pytest.raises(InvalidInput, match=words):
        new_agent(root, "trial_poet").write()
    assert files(root) == {REGISTRY: registry}


def test_nothing_is_made_here_that_a_reader_of_the_docs_has_made_already() -> None:
    """The registry that is copied is this one's, with whatever agents it has by now."""
    made = re.findall(r"new_(?:agent|tool)\(.*, \"(\w+)\"\)\.write", Path(__file__).read_text())
    assert [name for name in made if not name.startswith("trial_")] == []
    assert len(made) > 5


def test_the_command_says_it_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["new", "agent", "assistant"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "There is an agent assistant already; nothing was written.\n"


_KILLED_IN_A_FILE: Final = """
import os, signal, sys
from pathlib import Path
from app.scaffold import new_agent

write, left = Path.write_text, int(sys.argv[2])

def write_or_die(path, text, **more):
    global left
    left -= 1
    write(path, text if left else text[: len(text) // 2], **more)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

Path.write_text = write_or_die
new_agent(Path(sys.argv[1]), "trial_poet").write()
"""


def test_who_is_killed_in_the_midst_of_any_file_begins_again_and_has_all_of_it(tmp_path: Path) -> None:
    new_agent(tree(tmp_path / "whole"), "trial_poet").write()
    whole = files(tmp_path / "whole")
    for count in range(1, len(whole) + 1):
        root = tree(tmp_path / str(count))
        killed = run(ROOT, sys.executable, "-c", _KILLED_IN_A_FILE, str(root), str(count))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert (root / REGISTRY).read_text() == (ROOT / REGISTRY).read_text()
        new_agent(root, "trial_poet").write()
        assert files(root) == whole


def test_what_somebody_has_made_of_a_file_is_never_written_over(tmp_path: Path) -> None:
    root = tree(tmp_path)
    new_agent(root, "trial_poet").write()
    shutil.copy2(ROOT / REGISTRY, root / REGISTRY)
    with (root / "app/agent/trial_poet/graph.py").open("a") as graph:
        graph.write("# mine\n")
    before = files(root)
    with pytest.raises(InvalidInput, match=r"app/agent/trial_poet is there already"):
        new_agent(root, "trial_poet").write()
    assert files(root) == before
