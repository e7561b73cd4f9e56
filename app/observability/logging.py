"""Logs: events with fields, to standard output, as JSON or for a person's eyes."""

import logging
import sys
from pathlib import Path
from typing import Final, TextIO

import structlog
from structlog.typing import Processor

from app.settings import LogSettings

# Others' loggers that say at "info" what nobody asked.
_CHATTY: Final = ("httpx", "httpx2", "httpcore", "openai", "alembic", "uvicorn.access", "watchfiles", "asyncio", "procrastinate")
# They log what a tool or a client has said when they cannot read it; what matters of it we say ourselves.
_TALE_TELLERS: Final = ("mcp", "client", "langchain_mcp_adapters", "sse_starlette")


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
    handler = logging.StreamHandler(output or sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(settings)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _TALE_TELLERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # The mcp package also logs in nobody's name.
    handler.addFilter(lambda record: record.name != "root" or "mcp" not in Path(record.pathname).parts)


def _rendering(settings: LogSettings) -> list[Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if settings.format == "console":
        return [drop, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [drop, structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
