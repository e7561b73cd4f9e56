"""What the doctor's tests share."""

from pathlib import Path

import pytest

from app.settings import Settings
from tests.doctor.looking import Look


@pytest.fixture
def look(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Look:  # noqa: ARG001  # whose variables are in the environment
    return Look(monkeypatch, tmp_path)
