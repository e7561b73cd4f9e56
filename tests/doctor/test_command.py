"""`python -m app doctor`: what it says, in which form, and with which code it leaves."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.doctor.findings import State, checked
from app.doctor.machine import check_settings, finding_of_disk
from app.settings import ROOT, Settings, load_settings
from tests.doctor.looking import Look


@pytest.fixture
def well(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A server with no model but the one that its provider lists."""
    (tmp_path / "none.yaml").write_text("models: []")
    monkeypatch.setenv("MODELS_FILE", str(tmp_path / "none.yaml"))
    return settings


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(("doctor", *arguments))
    return int(left.value.code or 0)


@pytest.mark.usefixtures("well")
def test_a_server_that_is_well_is_a_table_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[-1].endswith("0 failed, 4 skipped.")
    rows = [line for line in lines[:-2] if not line.startswith(" ")]
    assert {row.split()[0] for row in rows} == {"ok", "skipped"}
    column = next(row for row in rows if " database " in row).index("Postgres")
    assert all(row[column - 1] == " " != row[column] for row in rows), "columns are aligned"
    assert "\x1b" not in said.out


@pytest.mark.usefixtures("well")
def test_json_has_every_check_by_a_name_that_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told.keys() == {"schema", "version", "state", "checks"}
    assert (told["schema"], told["state"]) == (1, "ok")
    assert all(check.keys() == {"name", "state", "found", "advice", "seconds"} for check in told["checks"])
    names = [check["name"] for check in told["checks"]]
    rows = (ROOT / "docs" / "doctor.md").read_text().splitlines()
    documented = [row.split("`")[1] for row in rows if row.startswith("| `") and "--" not in row]
    assert [*dict.fromkeys("model NAME" if name.startswith("model ") else name for name in names)] == documented


@pytest.mark.usefixtures("settings")
def test_warnings_are_errors_only_for_who_is_strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "none"))
    assert (_run(), _run("--strict")) == (0, 1)


@pytest.mark.usefixtures("settings")
def test_a_failure_is_1_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("TIERS_FILE", str(tmp_path / "gone.yaml"))
    assert _run() == 1
    said = capsys.readouterr().out
    assert "failed   data_dir" in said
    assert "TIERS_FILE: gone.yaml cannot be read." in said
    assert "→ Put the file there" in said


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("form", ["table", "json"])
def test_settings_that_cannot_be_used_are_2_and_hide_no_name(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "canary")
    assert _run(*(["--json"] if form == "json" else [])) == 2
    said = capsys.readouterr().out
    assert "PORT: must be" in said
    assert "canary" not in said
    if form == "json":
        states = {check["name"]: check["state"] for check in json.loads(said)["checks"]}
        assert states.pop("settings") == "failed"
        assert {*states.values()} == {"skipped"}
        assert {"database", "models", "redis", "disk"} <= states.keys()


@pytest.mark.parametrize("seconds", ["0", "x", "nan", "601"])
def test_a_time_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--timeout", seconds) == 2
    assert "is no number of seconds up to 600" in capsys.readouterr().err


async def test_a_check_that_breaks_is_a_finding_without_its_words() -> None:
    async def breaks() -> Any:
        raise RuntimeError("canary")

    found = (await checked("it", breaks, 1)).finding
    assert (found.state, found.found) == (State.FAILED, "The check itself broke (RuntimeError).")


async def test_a_settings_file_that_others_may_read_is_a_warning(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.doctor.machine.ROOT", tmp_path)
    file = tmp_path / ".env"
    file.touch(0o600)
    assert (await check_settings(settings)).found == "test, from .env"
    for mode in (0o640, 0o604):
        file.chmod(mode)
        finding = await check_settings(settings)
        assert (finding.state, finding.advice) == (State.WARNING, "chmod 600 .env")
        assert stat.S_IMODE(file.stat().st_mode) == mode, "it changes nothing"


@pytest.mark.usefixtures("settings")
async def test_production_is_told_what_it_bears_and_should_not_have_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    better = {
        "DATABASE_URL": "postgresql://db/milepost",
        "PUBLIC_URL": "https://chat.example.com",
        "METRICS_TOKEN": "kP3-doctor-8sD1fG6hJ4lZ7xC0vB5nM2qW9eR",
    }
    own = {"APP_ENV": "production", "JWT_SECRET_KEY": "Zq8-doctor-3nV6xP1wK9rT4yB7mL2cD5fG0h", "HASH_MEMORY_KIB": "65536"}
    for name, value in (own | dict.fromkeys(better, "")).items():
        monkeypatch.setenv(name, value)
    finding = await check_settings(load_settings(tmp_path))
    assert [line.partition(" ")[0] for line in finding.found.splitlines()[1:]] == [*better]
    for name, value in better.items():
        monkeypatch.setenv(name, value)
        assert name not in (await check_settings(load_settings(tmp_path))).found
    assert (await check_settings(load_settings(tmp_path))).state is State.OK


@pytest.mark.parametrize(("free_mib", "state"), [(255, State.FAILED), (256, State.WARNING), (2047, State.WARNING), (2048, State.OK)])
def test_a_disk_that_is_nearly_full_warns_and_then_fails(free_mib: int, state: State) -> None:
    assert finding_of_disk(free_mib * 2**20, 2**40).state is state


async def test_files_are_named_with_their_variables(look: Look) -> None:
    assert (await look())["files"].found == "MODELS_FILE priced.yaml, TIERS_FILE tiers.development.yaml"
