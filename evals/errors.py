"""What can go wrong at the evaluator's terminal: each is a sentence for the person there."""

from typing import ClassVar


class EvalsError(Exception):
    """Ends the command with its sentence; `exit_code` is 1, or 2 for what was asked for wrongly."""

    exit_code: ClassVar[int] = 1


class Misused(EvalsError):
    exit_code = 2


class ExperimentUnreadable(EvalsError):
    pass
