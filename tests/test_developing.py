"""The commands for who builds an agent, where they need no server."""

from pathlib import Path

import pytest

from app.cli import main


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


def test_a_picture_needs_graphviz_and_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["graph", "assistant", "--png", str(tmp_path / "graph.png")])
    # Where it is there, the picture is.
    assert ended.value.code == (0 if (tmp_path / "graph.png").exists() else 1)
    assert (tmp_path / "graph.png").exists() or "pygraphviz" in capsys.readouterr().err
