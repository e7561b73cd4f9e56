"""What is seen now and then, and stays until it is seen again."""

from app.signals.signal import Signal


@Signal
def traces_waiting(backend: str, spans: int) -> None:
    """Spans that wait to be exported to one of them: langfuse, otlp."""


@Signal
def schema_seen(found: str, needed: str) -> None:
    """The revision that the database has, empty for none, and the one that this process needs."""
