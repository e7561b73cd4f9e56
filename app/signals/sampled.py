"""What waits in this process, told now and then."""

from app.signals.signal import Signal


@Signal
def traces_waiting(backend: str, spans: int) -> None:
    """Spans that wait to be exported to one of them: langfuse, otlp."""
