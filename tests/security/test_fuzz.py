"""The whole API under Schemathesis: requests made from the OpenAPI document, sound and broken, and every answer held against it."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Server
from tests.security.routes import document_of
from tests.visitor import Visitor

# A cold import and a few hundred requests for each group; on a machine with other things to do it takes its time.
pytestmark = pytest.mark.timeout(300)

# The largest groups of routes; whatever else there is, now or later, is the last.
_GROUPS: Final = ("sessions", "chat", "time travel")
# These end the login that all other requests are made with, so each group has them last, with a login of their own.
_ENDS_A_LOGIN: Final = r"/logout|/password|/revoke"
# Not: that every sound body is taken, for a sound id is not somebody's; that logins are needed, which test_ownership proves of each route.
_LEFT_OUT: Final = "positive_data_acceptance,ignored_auth,use_after_free"
_EXAMPLES: Final = "4"
_CONFIG: Final = Path(__file__).with_name("schemathesis.toml")


async def _attack(server: Server, visitor: Visitor, folder: Path, *options: str) -> tuple[int, str]:
    """Run it, the same each time; its exit code and what it says."""
    command = (
        *(
            "--config-file",
            str(_CONFIG),
            "run",
            f"{server.url}/openapi.json",
            "--header",
            f"Authorization: {visitor.http.headers['Authorization']}",
        ),
        *("--phases", "examples,coverage,fuzzing", "--mode", "all", "--seed", "1", "--max-examples", _EXAMPLES),
        *("--checks", "all", "--exclude-checks", _LEFT_OUT, "--no-color", "--warnings", "off", *options),
    )
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        *command,
        cwd=folder,
        env=os.environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("group", [*_GROUPS, "others"])
async def test_every_answer_is_documented_and_no_request_breaks_the_server(
    server: Server, operator: Visitor, group: str, tmp_path: Path
) -> None:
    tags = ("--include-tag", group) if group in _GROUPS else [part for tag in _GROUPS for part in ("--exclude-tag", tag)]
    code, output = await _attack(server, operator, tmp_path, *tags, "--exclude-path-regex", _ENDS_A_LOGIN)
    assert code == 0, output
    assert "0 generated" not in output


async def test_what_ends_a_login_is_documented_too(server: Server, operator: Visitor, tmp_path: Path) -> None:
    paths = (await document_of(server.url))["paths"]
    code, output = await _attack(server, operator, tmp_path, "--include-path-regex", _ENDS_A_LOGIN)
    assert code == 0 or not any(re.search(_ENDS_A_LOGIN, path) for path in paths), output
