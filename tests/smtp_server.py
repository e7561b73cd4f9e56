"""A mail server on a real socket: takes mail, or refuses it as it is told to."""

import asyncio
import email.policy
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from typing import Final, Self

_ANSWERS: Final = {"EHLO": "250 mail.test", "HELO": "250 mail.test", "RSET": "250 Ok", "NOOP": "250 Ok", "QUIT": "221 Bye"}


@dataclass(slots=True)
class SmtpServer:
    """`refusals` are answers to the next mails' addressees, one each; `mails` is what was taken."""

    refusals: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        self._server.close_clients()
        await self._server.wait_closed()

    async def take(self, count: int = 1) -> list[EmailMessage]:
        """Wait until there are so many mails."""
        async with asyncio.timeout(30):
            while len(self.mails) < count:  # noqa: ASYNC110  # the worker sends them
                await asyncio.sleep(0.02)
        return self.mails

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            command = line.decode("ascii").strip().upper()  # in any case (RFC 5321, 2.4)
            self.heard.append(command)
            if command == "DATA":
                writer.write(b"354 Go on\r\n")
                self._keep(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(f"{self._answer(command)}\r\n".encode())
            await writer.drain()
        writer.close()

    def _answer(self, command: str) -> str:
        if command.startswith("RCPT") and self.refusals:
            return self.refusals.pop(0)
        return _ANSWERS.get(command.partition(" ")[0], "250 Ok")

    def _keep(self, content: bytes) -> None:
        mail = message_from_bytes(content.removesuffix(b".\r\n"), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
