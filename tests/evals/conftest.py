"""Who asks a server for an experiment."""

import pytest

from tests.conftest import Server
from tests.evals.trying import EMAIL
from tests.visitor import PASSWORD, Visitor


@pytest.fixture
def logged_in(ada: Visitor, server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server, whose user ada the environment names."""
    assert ada
    monkeypatch.delenv("MILEPOST_API_KEY", raising=False)
    monkeypatch.setenv("MILEPOST_EMAIL", EMAIL)
    monkeypatch.setenv("MILEPOST_PASSWORD", PASSWORD)
    return server.url
