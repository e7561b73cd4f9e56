"""Secrets of webhooks and what they sign, by Standard Webhooks (https://www.standardwebhooks.com)."""

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from secrets import token_bytes
from typing import Final

from app.persistence.webhook_values import Seed

_SALT_BYTES: Final = 32
_PREFIX: Final = "whsec_"
_USE: Final = b"milepost webhook secret\0"


class Secrets:
    """A secret is an HMAC of a row's salt with a key of the server's: who has the database alone has none of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """The first key makes new secrets; those of the others go on being good. Without one there are no secrets."""
        named = {_name(key): key.encode() for key in keys}
        self._keys = named
        self._newest = next(iter(named), None)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def seed(self) -> Seed:
        """For a new secret."""
        assert self._newest  # noqa: S101  # asked of none that is empty
        return Seed(salt=token_bytes(_SALT_BYTES), key_name=self._newest)

    def secret(self, seed: Seed) -> bytes | None:
        """None when the server no longer has the key."""
        key = self._keys.get(seed.key_name)
        return hmac.digest(key, _USE + seed.salt, sha256) if key else None

    def told(self, seed: Seed) -> str:
        """As its user is shown it, once."""
        secret = self.secret(seed)
        assert secret  # noqa: S101  # made a moment ago
        return _PREFIX + b64encode(secret).decode()


def signed_headers(secrets: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """One signature for each secret that is good now, the newest first; the receiver takes any."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(secret, content, sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _name(key: str) -> str:
    """What a row calls it, which tells nothing of it."""
    return sha256(b"milepost webhook key\0" + key.encode()).hexdigest()[:16]
