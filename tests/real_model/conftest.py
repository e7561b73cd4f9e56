"""A real model, small enough for any machine: its words mean little, but it streams, counts and ends as real ones do."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_FOLDER: Final = Path(__file__).parent
_PYTHON: Final = _FOLDER.parents[1] / ".venv-model" / "bin" / "python"


@pytest.fixture(scope="session")
def real_model_url() -> Iterator[str]:
    """Where an OpenAI-compatible server answers for as long as this session of tests lives."""
    with subprocess.Popen([_PYTHON, _FOLDER / "serve.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # our own file
        assert server.stdout
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "The model's server did not start; its own words are above."
        yield f"{address}/v1"


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], real_model_url: str) -> dict[str, str]:
    """A server whose provider is the real model, which may take its time on a busy machine."""
    return {**variables_of_test, "DEFAULT_LLM_MODEL": "smollm2", "OPENAI_BASE_URL": real_model_url, "LLM_IDLE_SECONDS": "60"}
