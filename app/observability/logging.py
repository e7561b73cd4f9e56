"""Logs: events with fields, to standard output, as JSON or for a person's eyes."""

import logging
import sys
from collections.abc import Sequence
from traceback import format_tb
from typing import Final, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from app.settings import LogSettings

_OURS: Final = "app"
# Libraries that say of a server's own affairs what an operator needs, and nothing that a user has said. Of all others a warning names
# the place it comes from and no word: a search engine that fails has quoted what was searched for.
_HEARD: Final = ("uvicorn", "procrastinate", "psycopg.pool", "alembic")
# What it is told of a job's error is our own already.
_TOLD_BY_US: Final = "procrastinate"
_FRAMES: Final = 5


def set_up_logging(settings: LogSettings, output: TextIO | None = None) -> None:
    """Send our events and every library's through the same formatter, to standard output unless that is for something else."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(output := output or sys.stdout)
    rendering = _rendering(settings, in_colour=output.isatty())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*shared, _without_words], processors=rendering))
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))  # whatever a library says at "info", nobody asked
    logging.getLogger(_OURS).setLevel(level)


def keep_loggers() -> None:
    """Have each module's logger made once, and not for each line; from then on it stays as it was set up."""
    structlog.configure(cache_logger_on_first_use=True)


def _without_words(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Of what a library says, who says it and where; of an error its kind and frames, for its text may quote a user."""
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    if not _is_of(record.name, _HEARD):
        event.update(event="library_warned", place=f"{record.module}:{record.lineno}")
    if record.exc_info and record.exc_info[0] and not _is_of(record.name, (_TOLD_BY_US,)):
        event.update(error=record.exc_info[0].__name__, frames=format_tb(record.exc_info[2])[-_FRAMES:])
        del event["exc_info"]
    return event


def _is_of(name: str, families: Sequence[str]) -> bool:
    return any(f"{name}.".startswith(f"{family}.") for family in families)


def _rendering(settings: LogSettings, *, in_colour: bool) -> list[Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if settings.format == "console":
        # Fields in the order they are told: what is to be copied stands last.
        plain = structlog.dev.plain_traceback
        return [drop, structlog.dev.ConsoleRenderer(colors=in_colour, sort_keys=False, exception_formatter=plain)]
    # Without the frames' variables, which hold what users say.
    tracebacks = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [drop, tracebacks, structlog.processors.JSONRenderer()]
