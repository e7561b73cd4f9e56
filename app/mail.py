"""Mail by SMTP (RFC 5321), with TLS unless the operator says otherwise; in development a line of the log."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import structlog
from email_validator import validate_email
from pydantic import SecretStr

from app import signals
from app.errors import MailRefused, MailUnavailable

_SECONDS: Final = 10
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_FOR_GOOD: Final = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    to: str
    subject: str
    text: str
    link: str = ""


class SmtpPost:
    def __init__(self, url: SecretStr, sender: str) -> None:
        self._url = url
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Raise MailUnavailable when it could not be handed over now, MailRefused when it never can be."""
        try:
            await asyncio.to_thread(self._send, self._message(mail))
        except (MailUnavailable, MailRefused):
            signals.mail_sent("failed")
            raise
        signals.mail_sent("ok")

    async def reach(self, seconds: float) -> None:
        """Come in and say nothing; raise MailUnavailable, or MailRefused for a user or password that will not do."""
        await asyncio.to_thread(self._reach, seconds)

    def _reach(self, seconds: float) -> None:
        try:
            with _connected(urlsplit(self._url.get_secret_value()), seconds) as server:
                server.noop()
        except smtplib.SMTPAuthenticationError:
            raise MailRefused("The mail server refuses the user or the password.") from None
        except smtplib.SMTPNotSupportedError:
            raise MailRefused("The mail server lacks STARTTLS, or wants no login.") from None
        except (smtplib.SMTPException, OSError):
            raise MailUnavailable("The mail server is not answering.") from None

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = validate_email(mail.to, check_deliverability=False).ascii_email or mail.to
        message["Subject"] = mail.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2].rstrip(">") or None)
        message["Auto-Submitted"] = "auto-generated"  # so that no absent reader's program answers (RFC 3834)
        message.set_content(mail.text)
        return message

    def _send(self, message: EmailMessage) -> None:
        # None of them with the error that it comes of: what a server says may quote the address.
        try:
            with _connected(urlsplit(self._url.get_secret_value())) as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            is_for_good = all(code >= _FOR_GOOD for code, _ in error.recipients.values())
            raise (MailRefused() if is_for_good else MailUnavailable()) from None
        except smtplib.SMTPNotSupportedError:
            raise MailRefused("The mail server lacks what this mail needs: STARTTLS, or addresses beyond ASCII.") from None
        except (smtplib.SMTPException, OSError) as error:
            log.warning("mail_server_failed", error=type(error).__name__)
            raise MailUnavailable from None


class _Bare(str):
    """Text that the log shows without quotes, which would be copied with it."""

    __slots__ = ()
    __repr__ = str.__str__


class LoggedPost:
    """For development: whoever runs the server reads the mail in its log, with the link at the end of the line, to be copied whole."""

    async def send(self, mail: Mail) -> None:
        log.info("mail_not_sent", subject=mail.subject, to=mail.to, link=_Bare(mail.link))


def _connected(address: SplitResult, seconds: float = _SECONDS) -> smtplib.SMTP:
    host, port = address.hostname or "", address.port or _PORTS[address.scheme]
    if address.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=seconds, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(host, port, timeout=seconds)
    try:
        if address.scheme == "smtp":
            server.starttls(context=ssl.create_default_context())
        if address.username:
            server.login(unquote(address.username), unquote(address.password or ""))
    except BaseException:
        server.close()
        raise
    return server
