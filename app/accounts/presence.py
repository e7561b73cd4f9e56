"""Who holds something open: a login that ends, in whichever process, ends that too, a moment later."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final, Self
from uuid import UUID

from app.errors import AppError, NotAuthenticated
from app.persistence.credentials import Caller

# Twice this is how long what a login holds open outlives it.
_LOOK_SECONDS: Final = 1.5

# Those of these logins and API keys that have ended.
type FindEnded = Callable[[Collection[UUID], Collection[UUID]], Awaitable[Collection[UUID]]]


class Guest:
    """Somebody who waits for something, for as long as this is entered."""

    def __init__(self, caller: Caller, guests: "set[Guest]") -> None:
        self.login_id = caller.login_id
        self.key_id = caller.key_id
        self._guests = guests
        self.is_gone = False
        self.is_leaving = False
        self._waiting: asyncio.Timeout | None = None

    def __enter__(self) -> Self:
        self._guests.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._guests.discard(self)

    async def hear[T](self, awaited: Awaitable[T]) -> T:
        """Wait for it; raise NotAuthenticated when the login ends before it comes."""
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await awaited
        except TimeoutError:
            if self.is_gone:
                raise NotAuthenticated from None
            raise
        finally:
            self._waiting = None

    def show_out(self) -> None:
        """The second time it is meant: who is shut out has their runs stopped too, and can still be told so."""
        if not self.is_leaving:
            self.is_leaving = True
            return
        self.is_gone = True
        if self._waiting:
            self._waiting.reschedule(0)


class Presence:
    def __init__(self, find_ended: FindEnded) -> None:
        self._find_ended = find_ended
        self._guests: set[Guest] = set()

    def guest(self, caller: Caller) -> Guest:
        return Guest(caller, self._guests)

    async def watch(self) -> None:
        """Show out whose login or API key has ended; one question for all of them, and none while nobody is here."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._guests:
                with suppress(AppError):  # a database that is away is asked again
                    await self._look()

    async def _look(self) -> None:
        logins = {guest.login_id for guest in self._guests if guest.login_id}
        ended = await self._find_ended(logins, {guest.key_id for guest in self._guests if guest.key_id})
        for guest in [guest for guest in self._guests if {guest.login_id, guest.key_id} & {*ended}]:
            guest.show_out()
