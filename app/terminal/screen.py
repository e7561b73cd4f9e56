"""The terminal: what is said, what is only noted, and what is asked. Without one, an answer is plain text."""

import getpass
import os
import re
import shutil
import sys
from contextlib import suppress
from typing import Final, Protocol

# What would move the cursor, ring, or look like ours: texts come from models and strangers.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DIM: Final = "\033[2m{}\033[0m"
_NARROWEST: Final = 20


class Screen(Protocol):
    @property
    def is_interactive(self) -> bool:
        """Whether somebody sits there who can be asked."""
        ...

    def say(self, text: str) -> None:
        """Write a piece of an answer."""
        ...

    def note(self, text: str) -> None:
        """Write a line beside the answer."""
        ...

    def fail(self, text: str) -> None: ...
    def ask(self, prompt: str) -> str:
        """One line; raise EOFError at the end of the input, KeyboardInterrupt for Ctrl-C."""
        ...

    def secret(self, prompt: str) -> str: ...


class Terminal:
    """Standard input and output."""

    def __init__(self) -> None:
        self._middle = False
        self._has_style = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        if self.is_interactive:
            with suppress(ImportError):
                import readline  # noqa: F401, PLC0415  # gives `input` its editing and its memory

    @property
    def is_interactive(self) -> bool:
        return sys.stdin.isatty()

    def say(self, text: str) -> None:
        self._write(clean(text))

    def note(self, text: str) -> None:
        self._new_line()
        line = one_line(text, shutil.get_terminal_size().columns)
        self._write(f"{_DIM.format(line) if self._has_style else line}\n")

    def fail(self, text: str) -> None:
        self._new_line()
        sys.stderr.write(f"{clean(text)}\n")
        sys.stderr.flush()

    def ask(self, prompt: str) -> str:
        self._new_line()
        return input(clean(prompt))

    def secret(self, prompt: str) -> str:
        self._new_line()
        return getpass.getpass(clean(prompt))

    def _new_line(self) -> None:
        if self._middle:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._middle = not text.endswith("\n")


def clean(text: str) -> str:
    return _CONTROLS.sub("\ufffd", text)


def one_line(text: str, columns: int) -> str:
    """The text without line breaks, and cut where the line ends."""
    whole, room = " ".join(clean(text).rstrip().splitlines()), max(columns, _NARROWEST) - 1
    return whole if len(whole) <= room else f"{whole[: room - 1]}…"
