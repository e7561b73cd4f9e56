"""The commands for who builds an agent, where they need no server."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.settings import ROOT


def test_a_graph_is_told_as_mermaid_without_settings_or_a_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "no number")
    with pytest.raises(SystemExit) as ended:
        main(["graph", "assistant"])
    assert ended.value.code == 0
    picture = capsys.readouterr().out
    assert picture.startswith("graph TD;")
    assert "respond -.-> tools;" in picture


def test_an_agent_that_is_not_there_is_answered_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["graph", "nobody"])
    assert ended.value.code == 2
    assert "there are assistant" in capsys.readouterr().err


def test_a_graph_is_drawn_as_a_picture_without_the_internet(tmp_path: Path) -> None:
    pictures = {name: tmp_path / f"{name}.png" for name in ("assistant", "researcher")}
    for name, path in pictures.items():
        with pytest.raises(SystemExit) as ended:
            main(["graph", name, "--png", str(path)])
        assert ended.value.code == 0
    heights = {name: int.from_bytes(path.read_bytes()[20:24]) for name, path in pictures.items()}
    assert pictures["assistant"].read_bytes().startswith(b"\x89PNG")
    assert heights["researcher"] > heights["assistant"] > 300  # the workers' own steps are drawn too


def test_a_picture_that_cannot_be_written_is_said_to_be_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["graph", "assistant", "--png", str(tmp_path)])
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{tmp_path} could not be written (Is a directory).\n"


def test_without_graphviz_the_command_that_brings_it_and_keeps_the_rest_is_named(tmp_path: Path) -> None:
    (tmp_path / ".extras").write_text("ollama anthropic\n")
    # An import of what is None fails as one of what is not there.
    without = "import sys; sys.prefix = sys.argv.pop(1); sys.modules['pygraphviz'] = None; from app.cli import main; main()"
    arguments = [sys.executable, "-c", without, str(tmp_path), "graph", "assistant", "--png", str(tmp_path / "graph.png")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own script
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('A PNG needs Graphviz, which is not installed: run `make dev EXTRAS="anthropic drawing ollama"`.')
    assert not (tmp_path / "graph.png").exists()
