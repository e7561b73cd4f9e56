"""Real parts for every test: a Postgres of its own, a scripted provider, and a server on a real socket."""

import asyncio
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import pytest_asyncio
import uvicorn

from app.main import create_app
from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from app.settings import Settings, load_settings, variables
from tests.databases import new_database
from tests.langfuse_stub import LangfuseStub, start_langfuse
from tests.stub.client import ProviderStub, start_stub
from tests.tools import tool
from tests.valkey_process import ValkeyProcess
from tests.visitor import Visitor

_TEMPLATE: Final = "milepost_template"
_MODEL_PYTHON: Final = Path(__file__).parents[1] / ".venv-model" / "bin" / "python"
_START_SECONDS: Final = 40
_TESTS: Final = Path(__file__).parent
# Folders whose tests take longest. They come first, or one process would be busy with them long after the others have finished.
_SLOW: Final = frozenset({"browser", "faults", "grafana", "prometheus", "scale", "scaffold", "security"})

# Tests that need more than Python packages: their marker, and whether this machine has what they need.
_NEEDS: Final[Mapping[str, Callable[[], bool]]] = {
    "browser": lambda: shutil.which("chromium") is not None,
    "prometheus": lambda: all(tool(name) for name in ("prometheus", "promtool")),
    "proxy": lambda: all(tool(name) for name in ("haproxy", "pgbouncer")),
    "real_model": _MODEL_PYTHON.exists,
}
_LEFT_OUT: Final = pytest.StashKey[dict[str, int]]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    url: str
    settings: Settings


def pytest_configure() -> None:
    """What a shell runs in its background ignores Ctrl-C, and so would the programs that tests start and stop so."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three for two processors: a third of the time tests wait for other processes, which each have to start."""
    return (os.process_cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run, by name; CI has everything, so there it runs and fails."""
    items.sort(key=lambda item: item.path.relative_to(_TESTS).parts[0] not in _SLOW)  # a stable sort
    if os.environ.get("CI") == "true":
        return
    missing = [marker for marker, is_here in _NEEDS.items() if not is_here()]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in missing)]
    items[:] = [item for item in items if item not in left_out]
    counts = {marker: sum(1 for item in left_out if item.get_closest_marker(marker)) for marker in missing}
    config.stash[_LEFT_OUT] = {marker: count for marker, count in counts.items() if count}


def pytest_report_header() -> list[str]:
    """Say it before the first test too, while there is still time to bring what they need."""
    missing = [] if os.environ.get("CI") == "true" else [marker for marker, is_here in _NEEDS.items() if not is_here()]
    return [f"left out: {marker} tests; `make test-tools` brings what they need" for marker in missing]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints the summary what this one, a worker of several, left out."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left_out"] = session.config.stash.get(_LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_LEFT_OUT] = node.workeroutput["left_out"]  # each worker collects the same tests


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for marker, count in config.stash.get(_LEFT_OUT, {}).items():
        terminalreporter.write_line(f"left out: {count} {marker} tests; `make test-tools` brings what they need", yellow=True)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throwaway Postgres whose template database has the whole schema."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres"), durable=False) as url, new_database(url, _TEMPLATE) as template:
        migrate.up(template)
        yield url


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """A database of the test's own, cloned from the template."""
    with new_database(postgres, f"test_{uuid4().hex}", template=_TEMPLATE) as url:
        yield url


@pytest.fixture
def langfuse() -> Iterator[LangfuseStub]:
    """Langfuse's stand-in; a server hears of it by `langfuse.variables`."""
    with start_langfuse() as stub:
        yield stub


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyProcess]:
    with ValkeyProcess(tmp_path) as valkey:
        yield valkey


@pytest.fixture(scope="session")
def _stub() -> Iterator[ProviderStub]:
    with start_stub() as stub:
        yield stub


@pytest_asyncio.fixture
async def provider(_stub: ProviderStub) -> AsyncIterator[ProviderStub]:
    """The model's provider: answers what the test scripts, else something of its own."""
    await _stub.clear()
    yield _stub
    await _stub.clear()


@pytest.fixture(scope="session")
def _second_stub() -> Iterator[ProviderStub]:
    with start_stub() as stub:
        yield stub


@pytest_asyncio.fixture
async def second_provider(_second_stub: ProviderStub) -> AsyncIterator[ProviderStub]:
    """Where the model named "second" lives; `two_providers` names it."""
    await _second_stub.clear()
    yield _second_stub
    await _second_stub.clear()


@pytest.fixture
def two_providers(provider: ProviderStub, second_provider: ProviderStub, tmp_path: Path) -> dict[str, str]:
    """Variables of a server whose models are "first" and "second", each at a provider of its own; one stands in for the other."""
    models = [{"name": "first", "base_url": provider.url}, {"name": "second", "base_url": second_provider.url}]
    (tmp_path / "two.yaml").write_text(json.dumps({"models": models}))  # JSON is YAML
    return {"MODELS_FILE": str(tmp_path / "two.yaml"), "DEFAULT_LLM_MODEL": "first", "LLM_FALLBACK": "true"}


@pytest.fixture
def variables_of_test(database_url: str, _stub: ProviderStub, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment a server of this test has; `@pytest.mark.variables(NAME="value")` changes it."""
    marked = request.node.get_closest_marker("variables")
    changed = marked.kwargs if marked else {}
    # A good hash takes a quarter of a second, and each test's users register; production refuses a cheap one.
    cheap = {"HASH_MEMORY_KIB": "64"} if "APP_ENV" not in changed else {}
    # Beside the default model, which nobody knows the price of, one that has its price.
    priced = {"name": "gpt-5", "base_url": _stub.url, "prices": {"input": 1.25, "cached_input": 0.125, "output": 10}}
    (tmp_path / "priced.yaml").write_text(json.dumps({"models": [priced]}))  # JSON is YAML
    return {
        "APP_ENV": "test",
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_POOL_SIZE": "5",
        "MIGRATE_ON_START": "false",
        "DEFAULT_LLM_MODEL": "stub",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": _stub.url,
        "MODELS_FILE": str(tmp_path / "priced.yaml"),
        "LLM_MAX_RETRIES": "0",
        "LLM_FALLBACK": "false",
        # Longer than any test is busy while a provider hangs for it; who waits for its timeout says less.
        "LLM_IDLE_SECONDS": "60",
        "TOOL_TIMEOUT_SECONDS": "2",
        "WEB_SEARCH_SECONDS": "1",
        # On a machine with other things to do a turn still has its memories, and no model is asked that a test does not know of.
        "MEMORY_RECALL_MS": "10000",
        "MEMORY_DELAY_SECONDS": "3600",
        **cheap,
        **changed,
    }


@pytest.fixture
def settings(variables_of_test: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """What the test's variables say, and nothing that this machine has set."""
    for name in [*(name for name, _, _ in variables()), *(name for name in os.environ if name.endswith("_API_KEY"))]:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables_of_test.items():
        monkeypatch.setenv(name, value)
    return load_settings(tmp_path)


@pytest_asyncio.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """It ends beside the test's loop: what is there, such as a server for mail, still answers what it is being told."""
    with ExitStack() as stack:
        yield Server(url=stack.enter_context(serving(settings)), settings=settings)
        await asyncio.to_thread(stack.close)


@pytest_asyncio.fixture
async def stranger(server: Server) -> AsyncIterator[Visitor]:
    """Somebody who has not logged in."""
    async with Visitor(server.url) as visitor:
        yield visitor


@pytest_asyncio.fixture
async def ada(server: Server) -> AsyncIterator[Visitor]:
    """A user with an account."""
    async with Visitor(server.url) as visitor:
        await visitor.register("ada@example.com")
        yield visitor


@pytest_asyncio.fixture
async def bob(server: Server) -> AsyncIterator[Visitor]:
    """Another user with an account."""
    async with Visitor(server.url) as visitor:
        await visitor.register("bob@example.com")
        yield visitor


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Serve on a free port from a thread with an event loop of its own, so that tests of any loop can talk to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, proxy_headers=False, timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server")
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        assert thread.is_alive(), "The server did not start; its log says why."
        assert time.monotonic() < deadline, "The server took too long to start."
        thread.join(0.01)
