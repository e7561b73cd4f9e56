"""Writing to users, in a worker: the link is made when it is sent, so that the queue and the log never hold one that is good."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.accounts.links import Links
from app.errors import AppError, MailRefused
from app.mail import Mail
from app.persistence.mailing import Addressee, Letter

_SUBJECTS: Final[Mapping[Letter, str]] = {Letter.RESET: "A new password", Letter.VERIFICATION: "Is this your email?"}
_TEXTS: Final[Mapping[Letter, str]] = {
    Letter.RESET: """\
Somebody, we hope you, asked for a new password for your account.

{link}

The link is good for half an hour, and once. If it was not you, do nothing: your password stays as it is.
""",
    Letter.VERIFICATION: """\
Somebody, we hope you, made an account with this email. Open the link to show that it is yours.

{link}

The link is good for a day. If it was not you, do nothing.
""",
}

log = structlog.get_logger()


class Post(Protocol):
    async def send(self, mail: Mail) -> None:
        """Raise MailUnavailable when it could not be handed over now, MailRefused when it never can be."""
        ...


class LetterStore(Protocol):
    async def ask(self, letter: Letter, email: str) -> None: ...
    async def claim(self, letter: Letter, user_id: UUID) -> Addressee | None: ...
    async def unsent(self, letter: Letter, user_id: UUID) -> None: ...


class Letters:
    def __init__(self, store: LetterStore, links: Links, post: Post | None) -> None:
        self._store = store
        self._links = links
        self._post = post

    @property
    def are_sent(self) -> bool:
        return self._post is not None

    async def ask(self, letter: Letter, email: str) -> None:
        """Have a worker write to whoever has this normalised email, if anybody has, and if this server writes at all."""
        if self._post:
            await self._store.ask(letter, email)
        elif letter is Letter.RESET:
            log.warning("mail_not_configured")

    async def write(self, letter: Letter, user_id: UUID) -> None:
        """Raise MailUnavailable, for the queue to try again; a letter that was sent a moment ago is not sent twice."""
        if self._post is None or (addressee := await self._store.claim(letter, user_id)) is None:
            return
        link = self._links.make(letter, addressee)
        mail = Mail(to=addressee.email, subject=_SUBJECTS[letter], text=_TEXTS[letter].format(link=link), link=link)
        try:
            await self._post.send(mail)
        except MailRefused:
            log.warning("mail_refused", letter=letter)
        except AppError:
            await self._store.unsent(letter, user_id)
            raise


@dataclass(frozen=True, slots=True)
class EmailVerification:
    """What is asked of a user's email: that they open a link, once the operator wants it."""

    letters: Letters
    is_required: bool

    async def ask(self, email: str) -> None:
        await self.letters.ask(Letter.VERIFICATION, email)
