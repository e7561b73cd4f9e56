"""Links in mail: signed, for one thing only, and of no use once that is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.accounts.signing import MARK_BYTES, NotSigned, SigningKeys
from app.errors import LinkInvalid
from app.persistence.mailing import Addressee, Letter

_LINK_MINUTES: Final[Mapping[Letter, int]] = {Letter.RESET: 30, Letter.VERIFICATION: 24 * 60}
_PLACES: Final = {Letter.RESET: "reset-password", Letter.VERIFICATION: "verify-email"}
# Where the page must stand that a link leads to.
LINK_PATHS: Final = tuple(f"/{place}" for place in _PLACES.values())
_AUDIENCES: Final = {letter: f"milepost {place}" for letter, place in _PLACES.items()}


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a link was made for, and the mark of what they were like then."""

    user_id: UUID
    mark: bytes


class Links:
    def __init__(self, keys: SigningKeys, public_url: str) -> None:
        self._keys = keys
        self._public_url = public_url.rstrip("/")

    def make(self, letter: Letter, addressee: Addressee) -> str:
        """The token is behind the `#`, so that it is in no log of a server and no `Referer`."""
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "aud": _AUDIENCES[letter],
            "sub": str(addressee.user_id),
            "iat": now,
            "exp": now + timedelta(minutes=_LINK_MINUTES[letter]),
            "mrk": self._keys.mark(letter, _told(letter, addressee))[:MARK_BYTES].hex(),
        }
        return f"{self._public_url}/{_PLACES[letter]}#token={self._keys.sign(claims)}"

    def read(self, letter: Letter, token: str) -> Claim:
        """Raise LinkInvalid for what we did not make for this, or too long ago."""
        try:
            claims = self._keys.read(token, _AUDIENCES[letter], ["sub", "mrk"])
            return Claim(UUID(claims["sub"]), bytes.fromhex(claims["mrk"]))
        except (NotSigned, ValueError, TypeError, AttributeError) as error:
            raise LinkInvalid from error

    def check(self, letter: Letter, claim: Claim, addressee: Addressee | None) -> Addressee:
        """Raise LinkInvalid when they are gone, or not any more what they were when it was made."""
        if addressee is None or not self._keys.has_marked(claim.mark, letter, _told(letter, addressee)):
            raise LinkInvalid
        return addressee


def _told(letter: Letter, addressee: Addressee) -> bytes:
    """What a link dies with: a password that was changed, an email that is another."""
    dies_with = addressee.password_hash or "" if letter is Letter.RESET else addressee.email
    return addressee.user_id.bytes + dies_with.encode()
