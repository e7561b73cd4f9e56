"""`python -m evals`: exit code 0 is good, 1 is a red gate or what else went wrong, 2 is misuse."""

import argparse
import sys
from collections.abc import Sequence

from app.errors import AppError, SettingsInvalid
from evals.commands import COMMANDS
from evals.errors import EvalsError, Misused


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit with the command's code, and for what went wrong one line that says it."""
    chosen = parser().parse_args(arguments)
    try:
        code = chosen.command(chosen)
    except EvalsError as error:
        code = _say(str(error), error.exit_code)
    except AppError as error:
        code = _say(error.detail, Misused.exit_code if isinstance(error, SettingsInvalid) else 1)
    sys.exit(code)


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


def parser() -> argparse.ArgumentParser:
    """With all commands."""
    whole = argparse.ArgumentParser(prog="python -m evals", description="Know whether a change made the agent better")
    commands = whole.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return whole


if __name__ == "__main__":
    main()
