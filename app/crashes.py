"""What the log says of a bug: its kind and where it was, never its words, which may quote a user."""

import traceback
from collections.abc import Sequence
from typing import Final

import structlog

_MOST_FRAMES: Final = 5

log = structlog.get_logger()


def log_crash(event: str, error: BaseException, **fields: str) -> None:
    log.error(event, **fields, error=type(error).__name__, frames=frames(error))


def frames(error: BaseException) -> Sequence[str]:
    """The innermost places it came through, as a traceback shows them."""
    return traceback.format_tb(error.__traceback__)[-_MOST_FRAMES:]
