"""Who speaks: an API key, a token that was kept, or email and password; neither key nor password is ever kept."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import httpx2

from app.errors import AppError, InvalidCredentials, NotAuthenticated, VerificationNeeded
from app.terminal.screen import Screen
from app.terminal.server import Server, problem_of

_PASSWORD: Final = "MILEPOST_PASSWORD"  # noqa: S105  # a variable's name
_EMAIL: Final = "MILEPOST_EMAIL"
_API_KEY: Final = "MILEPOST_API_KEY"


def kept_tokens() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "milepost" / "tokens.json"


class Tokens:
    """Tokens by server, in a file that only its owner reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, url: str, email: str) -> Mapping[str, str] | None:
        """`token`, `email` and `refresh` for this server; of this user, unless `email` is empty."""
        kept = self._read().get(url, {})
        return kept if kept.get("token") and email in ("", kept.get("email")) else None

    def keep(self, url: str, email: str, token: str, refresh: str = "") -> None:
        self._write(self._read() | {url: {"email": email, "token": token, "refresh": refresh}})

    def renew(self, server: Server, email: str) -> str | None:
        """The next token of this user, kept; None where they must log in again. Raise the AppError of a server that cannot tell just now.

        Another terminal may have renewed it meanwhile, or somebody else have logged in there.
        """
        kept = self.find(server.url, email)
        if kept is None or not kept.get("refresh"):
            return None
        answer = server.http.post("auth/refresh", json={"refresh_token": kept["refresh"]})
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            self.forget(server.url)
            return None
        if not answer.is_success:
            raise problem_of(answer)
        given = answer.json()
        self.keep(server.url, email, given["access_token"], given["refresh_token"])
        return str(given["access_token"])

    def forget(self, url: str) -> None:
        self._write({other: kept for other, kept in self._read().items() if other != url})

    def _read(self) -> dict[str, dict[str, str]]:
        with suppress(OSError, ValueError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return kept if isinstance(kept, dict) else {}
        return {}

    def _write(self, kept: dict[str, dict[str, str]]) -> None:
        """Best effort: who cannot keep a token logs in again."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = self._path.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                json.dump(kept, file)
            new.replace(self._path)


def log_in(server: Server, screen: Screen, tokens: Tokens, *, email: str, registers: bool) -> None:
    """Have the server speak as a user; raise AppError where nobody can be asked for what is missing."""
    if (key := os.environ.get(_API_KEY)) and not email:
        server.use(key)
        return
    email = email or os.environ.get(_EMAIL, "")
    if kept := tokens.find(server.url, email):
        server.use(kept["token"], partial(tokens.renew, server, kept["email"]))
        with suppress(NotAuthenticated):
            server.get("auth/me")
            return
        tokens.forget(server.url)
    server.http.headers.pop("Authorization", None)
    email = email or _asked(screen, "Email: ", f"Say who you are: --email, {_EMAIL} or {_API_KEY}.")
    given = _given(server, screen, email, registers=registers)
    server.use(given["access_token"], partial(tokens.renew, server, email))
    tokens.keep(server.url, email, given["access_token"], given["refresh_token"])


def _given(server: Server, screen: Screen, email: str, *, registers: bool) -> Mapping[str, str]:
    password = os.environ.get(_PASSWORD) or _secret(screen)
    if not registers:
        try:
            logged_in: Mapping[str, str] = server.post("auth/login", form={"username": email, "password": password})
            return logged_in  # noqa: TRY300  # what follows is for who has no account
        except InvalidCredentials as error:
            if not (screen.is_interactive and yes(screen.ask(f"{error.detail} Make an account for {email} with this password? [y/N] "))):
                raise
    registered: Mapping[str, str] | None = server.post("auth/register", {"email": email, "password": password})["tokens"]
    if registered is None:
        raise VerificationNeeded("There is an account now. Open the link in the mail, and come again.")
    return registered


def yes(answer: str) -> bool:
    return answer.strip().lower() in {"y", "yes"}


def _asked(screen: Screen, prompt: str, otherwise: str) -> str:
    if not screen.is_interactive:
        raise AppError(otherwise)
    return screen.ask(prompt).strip()


def _secret(screen: Screen) -> str:
    if not screen.is_interactive:
        raise AppError(f"There is nobody to ask for the password: put it into {_PASSWORD}.")
    return screen.secret("Password: ")
