"""`calibrate` and `pairwise` at the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ROOT
from evals.__main__ import main
from evals.calibrating import read_labelled
from tests.evals.judged_by import verdict
from tests.stub.client import ProviderStub


def evals(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "evals", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(  # noqa: S603  # our own command
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_calibration_is_a_table_and_is_kept(provider: ProviderStub, tmp_path: Path) -> None:
    labelled = read_labelled("toxicity")
    (tmp_path / "toxicity.jsonl").write_text("".join(f"{case.model_dump_json()}\n" for case in labelled))
    await provider.script(*(verdict(case.good) for case in labelled))
    told = evals(
        *("calibrate", "--metric", "toxicity", "--concurrency", "1", "--folder", str(tmp_path)),
        OPENAI_BASE_URL=provider.url,
        OPENAI_API_KEY="sk-test",
        DEFAULT_LLM_MODEL="stub",
        APP_ENV="test",
    )
    assert told.returncode == 0, told.stderr
    head, line = told.stdout.splitlines()
    assert head.split()[:3] == ["metric", "judge", "n"]
    assert line.split()[:5] == ["toxicity", "stub", "30", "50%", "1.00"]
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["toxicity.stub.json"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["calibrate", "--metric", "wit"], 2, "There is no judge for wit; there are conciseness"),
        (["pairwise", "nowhere", "elsewhere"], 1, "There is no nowhere: no experiment was kept there"),
    ],
)
def test_what_was_asked_for_wrongly_is_one_line(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == code
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
