"""Passwords: what a good one is, and argon2 kept off the event loop."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import ServerBusy

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 128
_RULES: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    (f"{MIN_LENGTH} to {MAX_LENGTH} characters", lambda password: MIN_LENGTH <= len(password) <= MAX_LENGTH),
    ("an upper-case letter", lambda password: any(character.isupper() for character in password)),
    ("a digit", lambda password: any(character.isdigit() for character in password)),
    ("a special character", lambda password: any(not character.isalnum() for character in password)),
)

_PASSES: Final = 3
_LANES: Final = 4
# The hash of random bytes nobody kept: verifying against it makes an unknown email take as long as a known one.
_NOBODY: Final = "$argon2id$v=19$m={},t=3,p=4$sTanTPHp7qJMciokNx+Hmg$dfmoHBroFuLRsRQzqrpJ/9ds0tDwD41C9FjFmL57A2A"
_BCRYPT: Final = "$2"
_BCRYPT_BYTES: Final = 72
_COME_BACK_SECONDS: Final = 5
# The event loop comes first wherever both want a core.
_NICENESS: Final = 10


def missing_rules(password: str) -> Iterator[str]:
    """What a password lacks, in words that follow "must have"."""
    return (words for words, holds in _RULES if not holds(password))


@dataclass(frozen=True, slots=True)
class Match:
    """Whether it is the password, and what to keep instead where the hash is not of today's kind."""

    matches: bool
    new_hash: str | None = None


class Passwords:
    """At most `parallel` hashes at once, with 64 MB each of a core for a fifth of a second; at most `waiting` more wait for their turn."""

    def __init__(self, parallel: int, waiting: int, *, memory_kib: int = 65_536) -> None:
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="hash", initializer=_give_way)
        self._room = parallel + waiting
        self._taken = 0
        self._hasher = PasswordHash((Argon2Hasher(time_cost=_PASSES, memory_cost=memory_kib, parallelism=_LANES),))
        self._nobody = _NOBODY.format(memory_kib)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Raise ServerBusy when too many wait already."""
        return await self._in_turn(partial(self._hasher.hash, password))

    async def match(self, password: str, known_hash: str | None) -> Match:
        """Compare in the same time whether or not there is a hash to compare with; raise ServerBusy when too many wait already."""
        return await self._in_turn(partial(self._match, password, known_hash))

    def _match(self, password: str, known_hash: str | None) -> Match:
        if known_hash and known_hash.startswith(_BCRYPT):
            matches = _matches_bcrypt(password, known_hash)
            return Match(matches, self._hasher.hash(password) if matches else None)
        try:
            matches, new_hash = self._hasher.verify_and_update(password, known_hash or self._nobody)
        except UnknownHashError:
            matches, new_hash = False, None
        return Match(matches, new_hash) if known_hash else Match(False)

    async def _in_turn[T](self, work: Callable[[], T]) -> T:
        if self._taken >= self._room:
            raise ServerBusy("Too many people are logging in at once.", retry_after=_COME_BACK_SECONDS)
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._taken -= 1


def _matches_bcrypt(password: str, known_hash: str) -> bool:
    # Imported when somebody comes who was brought from elsewhere, which most servers never see.
    from pwdlib.hashers.bcrypt import BcryptHasher  # noqa: PLC0415

    hasher = BcryptHasher()
    try:
        # It never looked further, and the package of today refuses more.
        return hasher.identify(known_hash) and hasher.verify(password.encode()[:_BCRYPT_BYTES], known_hash)
    except ValueError:  # a salt, or a number of rounds, that is none
        return False


def _give_way() -> None:
    """Of this thread, and of those that argon2 starts from it."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
