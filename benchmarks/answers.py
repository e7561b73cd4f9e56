"""Judge an answer by its bytes, after the clock has stopped."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

COMPLETED: Final = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a client made of a stream: its text, the frames that carried it, and how it ended, `completed` if as it should."""

    text: str
    token_frames: int
    ended: str


def hear_server(body: bytes) -> Heard:
    """Read Milepost's events: `token` frames, then exactly one `end` that says completed."""
    frames = list(_frames(body))
    tokens = [str(content["content"]) for event, content in frames if event == "token"]
    # An error's code stands before the end's status: `model_timeout, failed` says more than either.
    ends = [str(content.get("code") or content.get("status")) for event, content in frames if event in {"error", "end"}]
    return Heard(text="".join(tokens), token_frames=len(tokens), ended=", ".join(ends) or "no end")


def hear_provider(body: bytes) -> Heard:
    """Read OpenAI's chunks, which is what a bare proxy hands on."""
    frames = [content for _, content in _frames(body.removesuffix(b"data: [DONE]\n\n"))]
    deltas = [choice["delta"].get("content") for frame in frames for choice in frame["choices"]]
    tokens = [delta for delta in deltas if delta]
    return Heard(text="".join(tokens), token_frames=len(tokens), ended=COMPLETED if body.endswith(b"data: [DONE]\n\n") else "no end")


def _frames(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for frame in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line and not line.startswith(b":"))
        if b"data" in fields:
            yield fields.get(b"event", b"").decode(), orjson.loads(fields[b"data"])
