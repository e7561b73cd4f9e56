"""What a link in a mail is good for: a new password, and showing that an email is one's own."""

from typing import Protocol
from uuid import UUID

from app.accounts.letters import Letters
from app.accounts.links import Links
from app.accounts.passwords import Passwords
from app.accounts.users import normalised
from app.errors import LinkInvalid
from app.persistence.accounts import Origin
from app.persistence.mailing import Addressee, Letter
from app.persistence.users import PasswordChange


class AddresseeStore(Protocol):
    async def find(self, user_id: UUID) -> Addressee | None: ...


class ChangeStore(Protocol):
    async def change_password(self, change: PasswordChange, address: str | None) -> bool: ...
    async def verify_email(self, user_id: UUID, email: str, address: str | None) -> bool: ...


class Recovery:
    def __init__(self, letters: Letters, addressees: AddresseeStore, users: ChangeStore, links: Links, passwords: Passwords) -> None:
        self._letters = letters
        self._addressees = addressees
        self._users = users
        self._links = links
        self._passwords = passwords

    @property
    def is_possible(self) -> bool:
        """Whether this server writes to anybody."""
        return self._letters.are_sent

    async def forgot(self, email: str) -> None:
        """Have a link mailed; nothing tells, by words or by time, whether anybody has this email."""
        await self._letters.ask(Letter.RESET, normalised(email))

    async def resend(self, email: str) -> None:
        """The same, for a link that verifies the email."""
        await self._letters.ask(Letter.VERIFICATION, normalised(email))

    async def reset(self, token: str, new_password: str, origin: Origin) -> None:
        """Set the password, end all logins and API keys, switch webhooks off; raise LinkInvalid, the second time too."""
        addressee = await self._of(Letter.RESET, token)
        new_hash = await self._passwords.hash(new_password)
        change = PasswordChange(user_id=addressee.user_id, old_hash=addressee.password_hash, new_hash=new_hash, by_mail=True)
        if not await self._users.change_password(change, origin.address):
            raise LinkInvalid

    async def verify(self, token: str, origin: Origin) -> None:
        """Raise LinkInvalid; a second time changes nothing."""
        addressee = await self._of(Letter.VERIFICATION, token)
        if not await self._users.verify_email(addressee.user_id, addressee.email, origin.address):
            raise LinkInvalid

    async def _of(self, letter: Letter, token: str) -> Addressee:
        claim = self._links.read(letter, token)
        return self._links.check(letter, claim, await self._addressees.find(claim.user_id))
