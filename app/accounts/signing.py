"""What is signed with the server's keys, to be known again when it comes back: JSON Web Tokens (RFC 7519), HS256 and nothing else."""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import jwt
from pydantic import SecretStr

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "milepost"
_LONGEST_TOKEN: Final = 4096
# As far as the clocks of servers and of those who sign for them may be apart.
LEEWAY_SECONDS: Final = 5
_KID_CHARACTERS: Final = 16
# Of the 32 that a mark has, as many as nobody can guess.
MARK_BYTES: Final = 16


class NotSigned(Exception):
    """It is not ours, not whole, not for this, or not valid now; which of them is nobody's business."""


class Expired(NotSigned):
    """It was all that once."""


class SigningKeys:
    """The first signs, all are believed: so a key can be changed while what the one before has signed is still about."""

    def __init__(self, current: SecretStr, previous: Sequence[SecretStr] = ()) -> None:
        secrets = [key.get_secret_value().encode() for key in (current, *previous)]
        self._keys = {_kid(secret): secret for secret in secrets}
        self._signing = _kid(secrets[0])

    def sign(self, claims: Mapping[str, Any]) -> str:
        """`claims` have an audience, `aud`, each purpose its own."""
        secret = self._keys[self._signing]
        return jwt.encode({"iss": _ISSUER, **claims}, secret, algorithm=_ALGORITHM, headers={"kid": self._signing})

    def read(self, token: str, audience: str, required: Sequence[str]) -> Mapping[str, Any]:
        """The claims of a token that is valid for this audience; raise NotSigned."""
        if len(token) > _LONGEST_TOKEN:
            raise NotSigned
        try:
            # A token without a kid is from before there were several keys.
            kid = jwt.get_unverified_header(token).get("kid", self._signing)
            return jwt.decode(
                token,
                self._keys[kid],
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", *required], "strict_aud": True},
            )
        except jwt.ExpiredSignatureError as error:
            raise Expired from error
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise NotSigned from error

    def mark(self, purpose: str, content: bytes) -> bytes:
        """What only we can have made of it, 32 bytes."""
        return _mark(self._keys[self._signing], purpose, content)

    def has_marked(self, mark: bytes, purpose: str, content: bytes) -> bool:
        """Whether `mark` is the beginning, long enough, of what we made, or would have made with a key of before."""
        return len(mark) >= MARK_BYTES and any(
            hmac.compare_digest(mark, _mark(key, purpose, content)[: len(mark)]) for key in self._keys.values()
        )


def _kid(secret: bytes) -> str:
    """Names a key and tells nothing of it: the keys are random."""
    return sha256(b"milepost kid " + secret).hexdigest()[:_KID_CHARACTERS]


def _mark(secret: bytes, purpose: str, content: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode() + b"\0" + content, "sha256")
