"""The receiver of docs/webhooks.md, as it is written there."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.runs.signing import Secrets, signed_headers
from app.settings import ROOT
from tests.ports import held_port

SECRETS = Secrets(["a key of the server's, long enough"])
SEED = SECRETS.seed()
BODY = b'{"event": "run.completed"}'


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    (tmp_path / "receiver.py").write_text(program)
    with held_port() as held:
        port = held.getsockname()[1]
        environment = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRETS.told(SEED), "PORT": str(port)}
        command = [sys.executable, str(tmp_path / "receiver.py")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603  # the document's program
            yield f"http://127.0.0.1:{port}/", process
            process.kill()


def _post(url: str, headers: dict[str, str], body: bytes = BODY) -> int:
    transport = httpx.HTTPTransport(retries=20)  # it takes a moment to start
    with httpx.Client(transport=transport, timeout=10) as client:
        return client.post(url, content=body, headers=headers).status_code


def test_it_takes_what_is_ours_once_and_nothing_else(receiver: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = receiver
    secret, other = SECRETS.secret(SEED), SECRETS.secret(SECRETS.seed())
    assert secret
    assert other
    now = int(time.time())
    good = signed_headers([other, secret], "msg-1", now, BODY)
    assert [_post(url, good), _post(url, good)] == [204, 204]
    assert _post(url, signed_headers([secret], "msg-2", now, BODY)) == 204
    forged = [
        signed_headers([other], "msg-3", now, BODY),
        signed_headers([secret], "msg-3", now - 600, BODY),
        {**good, "webhook-id": "msg-3"},
        {**good, "webhook-timestamp": str(now + 1)},
    ]
    assert [_post(url, headers) for headers in forged] == [401] * 4
    assert _post(url, good, BODY + b" ") == 401
    process.kill()
    assert process.stdout
    assert process.stdout.read().splitlines() == ["run.completed msg-1", "run.completed msg-2"]
