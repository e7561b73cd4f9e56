"""What an MCP tool answers, in words for the model: text as it is, and of anything else what it is."""

from typing import Final

import orjson
from mcp import types

# A model is given less (TOOL_RESULT_CHARACTERS); this bounds what is kept of it for people.
MAX_RESULT_CHARACTERS: Final = 200_000
MAX_ERROR_CHARACTERS: Final = 2_000
_MAX_NAME_CHARACTERS: Final = 200


def bounded(text: str, characters: int) -> str:
    """NUL, which Postgres cannot keep, is left out."""
    text = text.replace("\0", "")
    return text if len(text) <= characters else f"{text[:characters]}\n[Cut here: {len(text) - characters:,} characters are missing.]"


def in_words(result: types.CallToolResult) -> str:
    text = "\n".join(filter(None, map(_described, result.content)))
    if not text and result.structuredContent is not None:
        text = orjson.dumps(result.structuredContent).decode()
    if result.isError:
        return bounded(text, MAX_ERROR_CHARACTERS) or "The tool failed, and did not say why."
    return bounded(text, MAX_RESULT_CHARACTERS) or "The tool answered with nothing."


def _described(part: types.ContentBlock) -> str:
    match part:
        case types.TextContent():
            return part.text
        case types.ImageContent():
            return _unseen("an image", part.mimeType, len(part.data))
        case types.AudioContent():
            return _unseen("a sound", part.mimeType, len(part.data))
        case types.ResourceLink():
            return f"[A link to {_short(part.name)}: {_short(str(part.uri))}]"
        case types.EmbeddedResource():
            return _enclosed(part.resource)


def _enclosed(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    return _unseen(f"the file {_short(str(resource.uri))}", resource.mimeType, len(resource.blob))


def _unseen(what: str, media_type: str | None, base64_characters: int) -> str:
    size = base64_characters * 3 // 4
    return f"[Here came {what}, {_short(media_type or 'of a kind it does not say')}, {size:,} bytes, which cannot be shown to you.]"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_NAME_CHARACTERS else f"{line[:_MAX_NAME_CHARACTERS]}…"
