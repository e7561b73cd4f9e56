"""Server-sent events as bytes arrive (HTML standard, 9.2.6), of which only the data is of use here."""

from typing import Final

from app.errors import ModelBadAnswer

_LARGEST_EVENT: Final = 16_000_000


class EventReader:
    """Cuts a stream into the data of its events; a character or line end may be split over two reads."""

    def __init__(self) -> None:
        self._rest = b""
        self._held = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that are whole now; one that the stream ends in the middle of is never told."""
        if self._held or b"\r" in piece:
            piece = self._with_plain_line_ends(piece)
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        if len(self._rest) > _LARGEST_EVENT:
            raise ModelBadAnswer("The model's answer has a line without an end.")
        # The hot path: once per token, most of which are one line.
        found = [event[6:] if event.startswith(b"data: ") and b"\n" not in event else _data(event) for event in events]
        return [*filter(None, found)]

    def _with_plain_line_ends(self, piece: bytes) -> bytes:
        piece, self._held = self._held + piece, b""
        if piece.endswith(b"\r"):  # its other half may be on the way
            piece, self._held = piece[:-1], b"\r"
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(event: bytes) -> bytes:
    return b"\n".join([line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")])
