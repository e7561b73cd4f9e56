"""scripts/environment: one command writes settings that production takes once the database and a key are filled in."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from app.llm.choice import choose_models
from app.settings import ROOT, load_settings, variables


def _written(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the script does in a copy of the repository that has little else."""
    (folder / "scripts").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".env.example", folder)
    script = shutil.copy(ROOT / "scripts" / "environment", folder / "scripts")
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  # our own


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(name for name, _, _ in variables()), *(name for name in os.environ if name.endswith("_API_KEY"))]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_what_it_writes_is_taken_once_database_and_key_are_there(environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = _written(tmp_path, environment)
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / f".env.{environment}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    filled = file.read_text().replace("\nDATABASE_URL=\n", "\nDATABASE_URL=postgresql://milepost@db.example.com/milepost\n")
    file.write_text(filled.replace("\nOPENAI_API_KEY=\n", "\nOPENAI_API_KEY=sk-a-key\n"))
    monkeypatch.setenv("APP_ENV", environment)
    settings = load_settings(tmp_path)
    assert settings.environment == environment
    assert settings.database.url == "postgresql://milepost@db.example.com/milepost"
    assert not choose_models(settings.models, settings.model_keys).is_demo
    secrets = {
        settings.accounts.jwt_secret_key.get_secret_value(),
        settings.metrics.token.get_secret_value(),
        *settings.webhooks.named_keys,
    }
    assert {len(secret) for secret in secrets} == {64}
    assert len(secrets) == 3, "each has one of its own"
    assert sorted(path.name for path in tmp_path.glob(".env*")) == sorted([".env.example", file.name]), "nothing is left beside it"


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / ".env.production"
    file.write_text("mine")
    done = _written(tmp_path, "production")
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("arguments", [(), ("development",), ("../x",)])
def test_for_anything_else_it_says_what_it_is_for(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = _written(tmp_path, *arguments)
    assert (done.returncode, "production|staging" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.glob(".env*")] == [".env.example"]
