"""`python -m app chat` and `replay`: log in, do what was asked, and say with the exit code how it went."""

import argparse
import sys

from app.errors import AppError, InvalidInput
from app.terminal.account import Tokens, kept_tokens, log_in
from app.terminal.chat import Chat
from app.terminal.replay import Replay
from app.terminal.screen import Screen, Terminal
from app.terminal.server import Server


def chat(chosen: argparse.Namespace, screen: Screen | None = None) -> int:
    """Talk; or answer what comes through a pipe. 0 for an answer, 1 for none."""
    screen = screen or Terminal()
    server = _logged_in(chosen, screen)
    talk = Chat(server, screen, agent=chosen.agent, session_id=chosen.session, model=chosen.model)
    if screen.is_interactive:
        talk.talk()
        return 0
    message = sys.stdin.read().strip()
    if not message:
        raise InvalidInput("There is no message on standard input.")
    return 0 if talk.answer(message) else 1


def replay(chosen: argparse.Namespace, screen: Screen | None = None) -> int:
    screen = screen or Terminal()
    past = Replay(_logged_in(chosen, screen), screen, chosen.session)
    if chosen.at is None:
        if chosen.run or chosen.message:
            raise AppError("Say where to go on from: --at CHECKPOINT.")
        past.list()
    elif chosen.run or chosen.message:
        return 0 if past.go_on(chosen.at, message=chosen.message, model=chosen.model) else 1
    else:
        past.show(chosen.at)
    return 0


def _logged_in(chosen: argparse.Namespace, screen: Screen) -> Server:
    server = Server(chosen.url)
    log_in(server, screen, Tokens(kept_tokens()), email=chosen.email, registers=chosen.register)
    return server
