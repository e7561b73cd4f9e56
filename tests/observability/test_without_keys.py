"""Who traces nothing pays nothing: no library of traces is imported, nor what only migrations need, or a Redis that is not there."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import pytest

from app.settings import ROOT, Settings

_OPEN: Final = """
import asyncio, json, sys
from app.main import create_app
from app.settings import load_settings
from app.wiring import open_services

async def open_all():
    async with open_services(settings):
        return not settings.tracing.is_on

settings = load_settings()
create_app(settings)
is_off = asyncio.run(open_all())
heavy = ("langfuse", "opentelemetry.proto", "opentelemetry.exporter", "mem0", "sqlalchemy", "alembic", "redis")
print(json.dumps([is_off, sorted(name for name in sys.modules if name.startswith(heavy))]))
"""


@pytest.mark.parametrize("keys", [{}, {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}])
def test_langfuse_is_not_imported_before_it_is_needed(
    settings: Settings, variables_of_test: Mapping[str, str], keys: Mapping[str, str]
) -> None:
    assert not settings.tracing.is_on
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), **variables_of_test, **keys}
    done = subprocess.run([sys.executable, "-c", _OPEN], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # our own script
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [not keys, []]
