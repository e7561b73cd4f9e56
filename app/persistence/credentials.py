"""What a caller can prove themselves by, and the one way from each of these to its user, for the statements that read a user anyway."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from app.persistence.accounts import Credential, User, UserRole

# After so long without a visit the page asks for the password again.
PAGE_IDLE: Final = timedelta(days=14)


class Scope(StrEnum):
    READ = "read"
    CHAT = "chat"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """An API key, by its hash: the database finds it by that, so that no time tells how much of a guess was right."""

    key_hash: bytes

    @property
    def values(self) -> Mapping[str, bytes]:
        return {"hash": self.key_hash}


@dataclass(frozen=True, slots=True)
class PageCredential:
    """The page's cookie, by its hash."""

    page_hash: bytes

    @property
    def values(self) -> Mapping[str, bytes]:
        return {"hash": self.page_hash}


type Proof = Credential | KeyCredential | PageCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and by what: a login, of the page or not, or a key and its `scopes`, where None is all that its user may do."""

    user: User
    login_id: UUID | None
    by_page: bool
    logged_in_at: datetime | None
    key_id: UUID | None
    scopes: frozenset[Scope] | None

    def may(self, scope: Scope) -> bool:
        """Whether a key has the scope; `chat` has what `read` has, and nobody keeps `admin` who is no administrator any more."""
        if self.scopes is None:
            return True
        if scope is Scope.ADMIN and self.user.role is not UserRole.ADMIN:
            return False
        return scope in self.scopes or (scope is Scope.READ and Scope.CHAT in self.scopes)


def hashed(secret: str) -> bytes:
    """Without salt and fast: a secret of 32 random bytes cannot be guessed, and is found by this."""
    return sha256(secret.encode()).digest()


def scopes_of(names: Iterable[str] | None) -> frozenset[Scope] | None:
    return None if names is None else frozenset(map(Scope, names))


# Of who comes in, by a password that must still be theirs or without one: nobody who changes it, or shuts them out, overlooks them.
ENTERING: Final = """
SELECT id AS user_id FROM "user" WHERE id = %(user_id)s AND disabled_at IS NULL
   AND (%(password_hash)s::text IS NULL OR password_hash = %(password_hash)s) FOR SHARE
"""
_LOGIN: Final = """
SELECT user_id, id AS login_id, false AS by_page, created_at AS logged_in_at, NULL::uuid AS key_id, NULL::text[] AS scopes FROM login
 WHERE id = %(login_id)s AND user_id = %(user_id)s AND revoked_at IS NULL
"""
_KEY: Final = """
SELECT user_id, NULL::uuid AS login_id, false AS by_page, NULL::timestamptz AS logged_in_at, id AS key_id, scopes FROM api_key
 WHERE hash = %(hash)s AND (expires_at IS NULL OR expires_at > now())
"""
_PAGE: Final = f"""
SELECT user_id, id AS login_id, true AS by_page, created_at AS logged_in_at, NULL::uuid AS key_id, NULL::text[] AS scopes FROM login
 WHERE page_hash = %(hash)s AND revoked_at IS NULL AND seen_at > now() - interval '{PAGE_IDLE.days} days'
"""
PROOF_COLUMNS: Final = """
proof.login_id AS proof_login_id, proof.by_page AS proof_by_page, proof.logged_in_at AS proof_logged_in_at, proof.key_id AS proof_key_id,
proof.scopes AS proof_scopes
"""
# To select "user" FROM, by the kind of proof: what was ended or taken back anywhere is so everywhere, at the next request.
BEHIND: Final[Mapping[type[Credential] | type[KeyCredential] | type[PageCredential], str]] = {
    kind: f'({proof}) AS proof JOIN "user" ON "user".id = proof.user_id AND "user".disabled_at IS NULL'
    for kind, proof in {Credential: _LOGIN, KeyCredential: _KEY, PageCredential: _PAGE}.items()
}
