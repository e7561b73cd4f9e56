"""Passwords: what a good one is, and argon2 kept off the event loop."""

from collections.abc import Callable, Iterator
from typing import Final

import anyio.to_thread
from anyio import CapacityLimiter
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 128
_RULES: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    (f"{MIN_LENGTH} to {MAX_LENGTH} characters", lambda password: MIN_LENGTH <= len(password) <= MAX_LENGTH),
    ("an upper-case letter", lambda password: any(character.isupper() for character in password)),
    ("a digit", lambda password: any(character.isdigit() for character in password)),
    ("a special character", lambda password: any(not character.isalnum() for character in password)),
)

# The hash of random bytes nobody kept: verifying against it makes an unknown email take as long as a known one.
_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$sTanTPHp7qJMciokNx+Hmg$dfmoHBroFuLRsRQzqrpJ/9ds0tDwD41C9FjFmL57A2A"


def missing_rules(password: str) -> Iterator[str]:
    """What a password lacks, in words that follow "must have"."""
    return (words for words, holds in _RULES if not holds(password))


class Passwords:
    """At most `parallel` hashes at once: each takes a core for a fifth of a second and 64 MB."""

    def __init__(self, parallel: int) -> None:
        self._limiter = CapacityLimiter(parallel)
        self._hasher = PasswordHash((Argon2Hasher(),))

    async def hash(self, password: str) -> str:
        return await anyio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def matches(self, password: str, known_hash: str | None) -> bool:
        """Compare in the same time whether or not there is a hash to compare with."""
        verified = await anyio.to_thread.run_sync(self._hasher.verify, password, known_hash or _NOBODY, limiter=self._limiter)
        return verified and known_hash is not None
