"""Scripts run in Redis for many requests at once: what waits goes in one pipeline. A Redis that is slow or gone costs nobody much time.

One connection and one batch at a time: a thousand requests that ask at the same moment are three or four round trips, and no storm of
connections.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app import signals
from app.persistence.redis_client import redis_client
from app.persistence.scripts import RedisAway, Script, Value
from app.settings import RedisSettings

PAUSE_SECONDS: Final = 1

_FIRST_ANSWER_SECONDS: Final = 1
_ANSWER_SECONDS: Final = 0.2
_MOST_AT_ONCE: Final = 100
# Several short looks and not one long one: it is Redis that is given the time, and not a busy event loop that comes late to its answer.
_LOOKS: Final = 9
_LOOK_SECONDS: Final = 0.01

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Call:
    sha: str
    keys: Sequence[str]
    values: Sequence[Value]
    answer: asyncio.Future[Any]


class RedisScripts:
    """Made by `open_redis_scripts`."""

    def __init__(self, line: AbstractConnection) -> None:
        self._line = line
        self._texts: dict[str, str] = {}
        self._waiting: list[_Call] = []
        self._news = asyncio.Event()
        self._is_well = False
        self._was_told = False
        self._looked = asyncio.Event()
        self._next_look: asyncio.TimerHandle

    @property
    def is_well(self) -> bool:
        return self._is_well

    def register_script(self, text: str) -> Script:
        """A function that runs it, by redis-py's own name; it raises RedisAway."""
        sha = sha1(text.encode(), usedforsecurity=False).hexdigest()  # as Redis names it
        self._texts[sha] = text

        async def run(keys: Sequence[str], values: Sequence[Value] | None = None) -> Any:  # noqa: ANN401  # whatever the script returns
            if not self._is_well:
                raise RedisAway
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._waiting.append(_Call(sha, keys, values or (), answer))
            self._news.set()
            return await answer

        return run

    async def keep_running(self) -> None:
        """Run what comes until cancelled. While Redis is away, it alone looks whether it is back, and requests wait for nothing."""
        while True:
            self._be(well=await self._answers())
            self._looked.set()
            try:
                await self._run_what_comes()
            finally:  # whatever has ended it: who waits would wait for ever
                self._be(well=False)
                self._fail(self._waiting)
                self._waiting = []
            await asyncio.sleep(PAUSE_SECONDS)

    async def _run_what_comes(self) -> None:
        """Until Redis is away."""
        while self._is_well:
            await self._news.wait()
            self._news.clear()
            while self._waiting and self._is_well:
                batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await self._run(batch)

    async def until_first_answer(self) -> None:
        """Wait a moment for it: the first requests shall be counted where all others are."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
                await self._looked.wait()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._line.disconnect()
                await self._line.connect()  # type: ignore[no-untyped-call]  # redis leaves it bare
        except (RedisError, OSError) as error:
            self._tell(error)
            return False
        if self._was_told:
            log.info("limits_in_redis_again")
        self._was_told = False
        return True

    async def _run(self, batch: Sequence[_Call]) -> None:
        try:
            async with asyncio.timeout(None) as patience:
                self._look(patience, _LOOKS)
                await self._answer(batch)
        except Exception as error:  # noqa: BLE001  # what a library does not foresee is no reason to keep all requests waiting
            self._be(well=False)
            self._tell(error)
        finally:
            self._fail(batch)  # those that have no answer
            self._next_look.cancel()

    def _be(self, *, well: bool) -> None:
        self._is_well = well
        signals.shared_limits_moved(well)

    def _look(self, patience: asyncio.Timeout, looks: int) -> None:
        loop = asyncio.get_running_loop()
        if looks:
            self._next_look = loop.call_later(_LOOK_SECONDS, self._look, patience, looks - 1)
        else:
            patience.reschedule(loop.time())

    async def _answer(self, batch: Sequence[_Call]) -> None:
        unknown = await self._evaluate(batch)
        if unknown:  # Redis was started anew
            for sha in {call.sha for call in unknown}:
                await self._line.send_command("SCRIPT LOAD", self._texts[sha])
                await self._line.read_response()
            if await self._evaluate(unknown):
                raise NoScriptError

    async def _evaluate(self, batch: Sequence[_Call]) -> Sequence[_Call]:
        """Answer the calls, and return those whose script Redis does not have. Any other refusal is as good as no Redis."""
        commands = [("EVALSHA", call.sha, len(call.keys), *call.keys, *call.values) for call in batch]
        await self._line.send_packed_command(self._line.pack_commands(commands))
        answers = [await self._read() for _ in batch]
        for call, answer in zip(batch, answers, strict=True):
            if isinstance(answer, NoScriptError):
                continue
            if isinstance(answer, RedisError):  # it has no memory left, or may not be written to, say
                raise answer
            if not call.answer.done():
                call.answer.set_result(answer)
        return [call for call, answer in zip(batch, answers, strict=True) if isinstance(answer, NoScriptError)]

    async def _read(self) -> Any:  # noqa: ANN401
        try:
            return await self._line.read_response()
        except ResponseError as error:
            return error

    def _fail(self, batch: Sequence[_Call]) -> None:
        for call in batch:
            if not call.answer.done():
                call.answer.set_exception(RedisAway())

    def _tell(self, error: BaseException) -> None:
        # Once for each outage, and the kind only: the words may name the address.
        if not self._was_told:
            log.warning("limits_without_redis", error=type(error).__name__)
        self._was_told = True


@asynccontextmanager
async def open_redis_scripts(settings: RedisSettings) -> AsyncGenerator[RedisScripts]:
    """Raise SettingsInvalid for no address at all."""
    async with redis_client(settings.url.get_secret_value(), answer_seconds=_ANSWER_SECONDS) as client:
        # The connection itself: the client's pipelines cost four times as much.
        scripts = RedisScripts(line := client.connection_pool.make_connection())  # type: ignore[no-untyped-call]  # the same
        running = asyncio.create_task(scripts.keep_running(), name="redis-scripts")
        try:
            await scripts.until_first_answer()
            yield scripts
        finally:
            running.cancel()
            await asyncio.wait([running])
            await line.disconnect(nowait=True)
