"""`python -m app chat` and `replay`: log in, do what was asked, and say with the exit code how it went."""

import argparse
import sys
from collections.abc import Generator
from contextlib import contextmanager

from app.errors import InvalidInput
from app.terminal.account import Tokens, kept_tokens, log_in
from app.terminal.chat import Chat
from app.terminal.replay import Replay
from app.terminal.screen import Screen, Terminal
from app.terminal.server import Server


def chat(chosen: argparse.Namespace, screen: Screen | None = None) -> int:
    """Talk; or answer what comes through a pipe. 0 for an answer, 1 for none."""
    screen = screen or Terminal()
    with _logged_in(chosen, screen) as server:
        talk = Chat(server, screen, agent=chosen.agent, session_id=chosen.session, model=chosen.model)
        if screen.is_interactive:
            talk.talk()
            return 0
        message = _piped()
        if not message:
            raise InvalidInput("There is no message on standard input.")
        return 0 if talk.answer(message) else 1


def replay(chosen: argparse.Namespace, screen: Screen | None = None) -> int:
    """List, show, or run on; 1 where that brought no answer."""
    screen = screen or Terminal()
    goes_on = chosen.run or chosen.message
    if goes_on and chosen.at is None:
        raise InvalidInput("Say where to go on from: --at CHECKPOINT.")
    with _logged_in(chosen, screen) as server:
        past = Replay(server, screen, chosen.session)
        if goes_on:
            return 0 if past.go_on(chosen.at, message=chosen.message, model=chosen.model) else 1
        if chosen.at:
            past.show(chosen.at)
        else:
            past.list()
        return 0


def _piped() -> str:
    try:
        return sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise InvalidInput("What is on standard input is not UTF-8.") from error


@contextmanager
def _logged_in(chosen: argparse.Namespace, screen: Screen) -> Generator[Server]:
    with Server(chosen.url) as server:
        log_in(server, screen, Tokens(kept_tokens()), email=chosen.email, registers=chosen.register)
        yield server
