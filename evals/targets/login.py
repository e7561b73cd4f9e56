"""Who asks a server, and by what they prove it."""

import asyncio
import os
from typing import Final

import httpx2

from app.terminal.server import problem_of
from evals.errors import Misused
from evals.options import Options
from evals.targets.talking import not_answered

_PASSWORD: Final = "MILEPOST_PASSWORD"  # noqa: S105  # a variable's name
_EMAIL: Final = "MILEPOST_EMAIL"
_API_KEY: Final = "MILEPOST_API_KEY"


class Login:
    """Who asks: by a key, or by an email and a password, whose tokens end and are got again."""

    def __init__(self, http: httpx2.AsyncClient, options: Options) -> None:
        self._http = http
        self._email = options.email or os.environ.get(_EMAIL, "")
        self._key = "" if options.email else os.environ.get(_API_KEY, "")
        self._password = os.environ.get(_PASSWORD, "")
        if not self._key.isascii() or not self._key.isprintable():
            raise Misused(f"{_API_KEY} is no key: it has signs that no key has.")
        self._lock = asyncio.Lock()

    async def enter(self, refused: str = "") -> bool:
        """Have the client speak as the user; False where what was `refused` is all there is."""
        if self._key:
            self._http.headers["Authorization"] = f"Bearer {self._key}"
            return not refused
        if not self._email or not self._password:
            raise Misused(f"Say who asks: {_API_KEY}, or --email (or {_EMAIL}) with {_PASSWORD}.")
        async with self._lock:
            if refused and self._http.headers.get("Authorization") != refused:
                return True  # somebody else was faster
            answer = await self._http.post("auth/login", data={"username": self._email, "password": self._password})
            if not answer.is_success:
                raise not_answered(problem_of(answer))
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            return True
