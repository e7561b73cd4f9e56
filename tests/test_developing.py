"""The commands for who builds an agent, where they need no server."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.developing import own_url
from app.errors import InvalidInput
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


@pytest.mark.parametrize(
    ("file", "url"),
    [
        ("", "http://127.0.0.1:8000"),
        ("PORT=8951\n", "http://127.0.0.1:8951"),
        ("HOST=0.0.0.0\n", "http://127.0.0.1:8000"),
        ("HOST=::\nPORT=81\n", "http://[::1]:81"),
        ("HOST=fd00::7\n", "http://[fd00::7]:8000"),
        ("HOST=192.0.2.7\n", "http://192.0.2.7:8000"),
        ("HOST=chat.example.com\n", "http://chat.example.com:8000"),
    ],
)
def test_a_client_goes_where_the_folders_settings_have_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, url: str
) -> None:
    for name in ("APP_ENV", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text(file)
    assert own_url(tmp_path) == url


def test_a_port_that_nobody_knows_before_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    (tmp_path / ".env").write_text("PORT=0\n")
    with pytest.raises(InvalidInput, match="--url"):
        own_url(tmp_path)


@pytest.mark.parametrize("command", [["chat"], ["replay", "01a1ffd0-4f31-7523-9ca0-f42ebe910c14"]])
def test_a_server_that_is_not_there_is_named_with_the_way_to_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MILEPOST_PASSWORD", "Analytical-1")
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", "9")
    with pytest.raises(SystemExit) as ended:
        main([*command, "--email", "ada@example.com"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "No server answers at http://127.0.0.1:9. `make dev` starts one here; another is named by its address, with http:// or https://.\n"
    )
