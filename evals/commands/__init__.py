"""The commands of `python -m evals`, a module each, whose `add` registers it."""

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Sequence
from typing import Final, Protocol

from evals.commands import compare, gate, report


class Command(Protocol):
    """A module: `add` makes its parser, whose default `command` takes the arguments and gives the exit code."""

    def add(self, commands: "_SubParsersAction[ArgumentParser]") -> None: ...


COMMANDS: Final[Sequence[Command]] = (compare, gate, report)
