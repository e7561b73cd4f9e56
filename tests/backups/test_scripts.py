"""scripts/backup and scripts/restore: by the installed Milepost where there is one, else in a container."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from app.settings import ROOT
from tests.deployment.compose import config
from tests.persistence.clients import ask

_IMAGE_USER: Final = 10001


def _run(script: Path, *arguments: object, **changed: str) -> subprocess.CompletedProcess[str]:
    command = [str(script), *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, **changed}, capture_output=True, text=True, check=False)  # noqa: S603  # our own


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The scripts of a clone without one, on a machine whose docker and chown tell what they were asked."""
    shutil.copytree(ROOT / "scripts", tmp_path / "clone" / "scripts")
    for name in ("docker", "chown"):
        program = tmp_path / "programs" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>"{tmp_path}/asked"\n')
        program.chmod(0o700)
    return tmp_path / "clone" / "scripts"


def test_what_is_installed_backs_up_and_restores(
    filled: str, empty: str, variables_of_test: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = _run(ROOT / "scripts" / "backup", "backups", "--keep", 3, **{**variables_of_test, "DATABASE_URL": filled})
    assert (done.returncode, done.stdout.startswith("Wrote ")) == (0, True), done.stderr
    [backup] = (tmp_path / "backups").glob("milepost-*")
    done = _run(ROOT / "scripts" / "restore", backup, **{**variables_of_test, "DATABASE_URL": empty})
    assert done.returncode == 0, done.stderr
    assert ask(empty, "SELECT name FROM session") == "Mine"


def test_elsewhere_a_container_does_with_the_folder_in_it(elsewhere: Path, tmp_path: Path) -> None:
    path = f"{tmp_path / 'programs'}:{os.environ['PATH']}"
    assert _run(elsewhere / "backup", tmp_path / "backups", "--keep", 3, PATH=path).returncode == 0
    assert _run(elsewhere / "restore", tmp_path / "backups", PATH=path).returncode == 0
    run = "docker compose run --rm --no-deps --quiet-pull -T --volume"
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"chown {_IMAGE_USER}:{_IMAGE_USER} {tmp_path / 'backups'}",
        f"{run} {tmp_path / 'backups'}:/backups worker backup /backups --keep 3",
        f"{run} {tmp_path / 'backups'}:/backup:ro worker restore /backup",
    ]


@pytest.fixture
def tools(elsewhere: Path) -> Path:
    """The clone has a .venv now, which tells too what it was asked."""
    python = elsewhere.parent / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho python "$3" >>"{elsewhere.parent.parent}/asked"\n')
    python.chmod(0o700)
    return elsewhere


def _asked(scripts: Path, into: Path, **changed: str) -> tuple[int, str]:
    """The code of `backup` and of whom it asked last."""
    path = f"{into / 'programs'}:{os.environ['PATH']}"
    code = _run(scripts / "backup", into / "backups", **{"APP_ENV": "", "DATABASE_URL": "", **changed, "PATH": path}).returncode
    asked = into / "asked"
    return code, asked.read_text().splitlines()[-1].partition(" ")[0] if asked.exists() else ""


def test_where_compose_serves_its_database_is_meant_though_tools_are_installed(tools: Path, tmp_path: Path) -> None:
    (tools.parent / ".env").write_text("COMPOSE_PROFILES=monitoring\nPOSTGRES_PASSWORD=secret\n")
    assert _asked(tools, tmp_path) == (0, "docker")
    assert _asked(tools, tmp_path, DATABASE_URL="postgresql://elsewhere/milepost") == (0, "python")


def test_beside_productions_settings_it_must_be_said_that_they_are_meant(tools: Path, tmp_path: Path) -> None:
    (tools.parent / ".env.production").touch()
    assert _asked(tools, tmp_path) == (2, "")
    assert _asked(tools, tmp_path, APP_ENV="production") == (0, "python")


def test_the_service_that_does_it_has_the_database_and_the_attachments() -> None:
    worker = config()["services"]["worker"]
    assert "data" in worker["networks"]
    assert worker["environment"]["DATABASE_URL"]
    assert [volume["target"] for volume in worker["volumes"]] == ["/data"]
    assert f"--uid {_IMAGE_USER}" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize(("name", "arguments"), [("backup", ()), ("backup", ("--keep", "3")), ("restore", ()), ("restore", ("/nowhere",))])
def test_without_a_folder_it_says_how(name: str, arguments: tuple[str, ...]) -> None:
    done = _run(ROOT / "scripts" / name, *arguments)
    assert (done.returncode, done.stderr.startswith(f"scripts/{name}: name ")) == (2, True)
