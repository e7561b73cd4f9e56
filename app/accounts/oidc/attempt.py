"""One attempt to sign in: a secret that only its browser has, and all that the flow takes derived from that.

So nothing need be kept on the server. What travels through addresses (`state`, `nonce`, the PKCE challenge) tells nothing of the secret.
"""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Self


@dataclass(frozen=True, slots=True)
class Attempt:
    """Its `secret` is empty where the browser brought none."""

    secret: str

    @classmethod
    def new(cls) -> Self:
        return cls(secrets.token_urlsafe(32))

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """RFC 7636, S256."""
        return _encoded(sha256(self.verifier.encode()).digest())

    def _derived(self, use: str) -> str:
        return _encoded(sha256(f"{use}:{self.secret}".encode()).digest())


def _encoded(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
