"""The stub as a test sees it: start it, tell it what to answer, ask what it was asked."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.stub.answers import ANSWERS, Answer

_ROOT: Final = Path(__file__).parent.parent.parent
_POLL_SECONDS: Final = 0.02
_CALL_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the provider saw it; header names are in lower case."""

    number: int
    connection: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    answered: bool
    closed_early: bool

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        messages: Sequence[Mapping[str, Any]] = self.body.get("messages", ())
        return messages


class ProviderStub:
    """A running stub; `url` is what an OpenAI client takes for its base_url, `address` what Anthropic's does."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.url = f"{self.address}/v1"

    async def script(self, *answers: Answer) -> None:
        """Append answers; one is used up by each request that it fits."""
        await self._call("POST", "/_script", ANSWERS.dump_json(list(answers)))

    async def requests(self, containing: str = "") -> list[Request]:
        """List the latest chat requests, oldest first, whose messages contain these words."""
        found = [Request(**asked) for asked in await self._call("GET", "/_requests")]
        return [request for request in found if containing in str(request.messages or request.body.get("input", ""))]

    async def clear(self) -> None:
        """Forget the script and the requests."""
        await self._call("DELETE", "/_script")

    async def wait_until_asked(self, count: int = 1, *, containing: str = "", seconds: float = 10) -> Request:
        """Return the `count`th request; raise TimeoutError when it does not come."""
        return await self._wait(lambda asked: asked[count - 1] if len(asked) >= count else None, containing, seconds)

    async def wait_until_closed_early(self, *, containing: str = "", seconds: float = 10) -> Request:
        """Return the first request whose client went before the answer was over; raise TimeoutError when none does."""
        return await self._wait(lambda asked: next((one for one in asked if one.closed_early), None), containing, seconds)

    async def _wait(self, pick: Callable[[Sequence[Request]], Request | None], containing: str, seconds: float) -> Request:
        async with asyncio.timeout(seconds):
            while True:
                if found := pick(await self.requests(containing)):
                    return found
                await asyncio.sleep(_POLL_SECONDS)

    async def _call(self, method: str, path: str, body: bytes | None = None) -> Any:
        # A client per call, because one stub serves tests that each have an event loop of their own.
        async with httpx.AsyncClient(base_url=self.address, verify=False, trust_env=False, timeout=_CALL_SECONDS) as client:  # noqa: S501  # plain HTTP
            response = await client.request(method, path, content=body)
        if response.is_error:
            raise ValueError(response.json()["error"]["message"])
        return response.json()


@contextmanager
def start_stub() -> Iterator[ProviderStub]:
    """Run a stub of one's own; it ends with the block, or with this process however that dies."""
    command = (sys.executable, "-m", "tests.stub", "--port", "0", "--parent", str(os.getpid()))
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own module
        try:
            assert process.stdout is not None
            yield ProviderStub(int(process.stdout.readline()))
        finally:
            process.kill()
