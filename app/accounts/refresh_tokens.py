"""Refresh tokens: 32 random bytes with the login they are of, and a mark by which even one that was used long ago is known for ours.

The database has its SHA-256 only. The login must be in it, so that a stolen token ends the whole family without a row for each
token there ever was; RFC 9700 (4.14.2) allows that where, as by the mark, nobody else can put a token together.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self
from uuid import UUID

from app.accounts.signing import MARK_BYTES, SigningKeys

# For scanners that look for secrets where none should be.
PREFIX: Final = "milepost_refresh_"
_PURPOSE: Final = "refresh token"
_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 16
_FORM: Final = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{86}})")
_PADDING: Final = "=="


@dataclass(frozen=True, slots=True)
class RefreshToken:
    login_id: UUID
    secret: bytes
    mark: bytes

    @classmethod
    def new(cls, login_id: UUID, keys: SigningKeys, secret: bytes | None = None) -> Self:
        secret = secret or secrets.token_bytes(_SECRET_BYTES)
        return cls(login_id, secret, keys.mark(_PURPOSE, login_id.bytes + secret)[:MARK_BYTES])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what has not the form of one."""
        if not (found := _FORM.fullmatch(text)):
            return None
        whole = urlsafe_b64decode(found[1] + _PADDING)
        return cls(UUID(bytes=whole[:_ID_BYTES]), whole[_ID_BYTES:-MARK_BYTES], whole[-MARK_BYTES:])

    def __str__(self) -> str:
        return PREFIX + urlsafe_b64encode(self.login_id.bytes + self.secret + self.mark).decode().rstrip("=")

    @property
    def hash(self) -> bytes:
        """Of the random part: the rest only says where to look."""
        return sha256(self.login_id.bytes + self.secret).digest()

    def is_genuine(self, keys: SigningKeys) -> bool:
        return keys.has_marked(self.mark, _PURPOSE, self.login_id.bytes + self.secret)

    def hide(self, successor: bytes) -> bytes:
        """The next token's secret, so that only who has this token can read it; and to read it, the same again."""
        return bytes(one ^ other for one, other in zip(successor, hmac.digest(self.secret, b"successor", "sha256"), strict=True))
