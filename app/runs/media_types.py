"""What bytes are, by their content alone: one of a few kinds of images, or text.

Only what a whole and sound file begins, holds and ends with is looked at; nothing is decoded.
"""

import mimetypes
import re
import struct
from typing import Final
from zlib import crc32

TEXT: Final = "text/plain"

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SHORTEST_PNG: Final = 57
_PNG_BITS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_GIF: Final = (b"GIF87a", b"GIF89a")
_WEBP_CHUNKS: Final = (b"VP8 ", b"VP8L", b"VP8X")
# The markers that have no length, and those of a frame, whose size stands in it.
_BARE: Final = {0x01, *range(0xD0, 0xD8)}
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN: Final = 0xDA
# Far more than any camera writes; ten megabytes of nothing but markers would take seconds.
_MOST_SEGMENTS: Final = 10_000
_CONTROLS: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
# An image that can hold scripts, though it is written as text.
# Nothing that has matched is tried another way: a few dozen comments would else keep the whole process for years.
_SVG: Final = re.compile(
    r"(?:<\?xml[^>]*\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[[^\]]*+\]\s*+)?>|\s)*+<(?:\w+:)?svg[\s>/]", re.IGNORECASE | re.DOTALL
)
_HEAD_CHARACTERS: Final = 4_000
# What files begin with that are refused for what they are, or for not being sound.
_BEGINNINGS: Final = {
    b"\x89PNG": "this PNG is not whole, or not sound",
    b"GIF8": "this GIF is not whole, or not sound",
    b"RIFF": "this is not a whole WebP",
    b"\xff\xd8\xff": "this JPEG is not whole, or not sound",
    b"%PDF": "this is a PDF",
    b"PK\x03\x04": "this is an archive or an office document",
}
_NO_TEXT: Final = ("image/", "audio/", "video/", "font/")


def media_type_of(content: bytes, name: str) -> str | None:
    """The media type, None for what is none of ours; what is text must not have the `name` of an image, a sound or a film."""
    match content[:4]:
        case b"\x89PNG":
            return "image/png" if _is_png(content) else None
        case b"GIF8":
            return "image/gif" if _is_gif(content) else None
        case b"RIFF":
            return "image/webp" if _is_webp(content) else None
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg" if _is_jpeg(content) else None
    is_named_so = (mimetypes.guess_type(name)[0] or "").startswith(_NO_TEXT)
    return TEXT if _is_text(content) and not is_named_so else None


def why_none_of_ours(content: bytes, name: str) -> str:
    """What is wrong with one that `media_type_of` does not know, as the end of a sentence."""
    if kind := next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), None):
        return kind
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"this is neither, for its byte {error.start + 1} is not UTF-8"
    if control := _CONTROLS.search(text):
        return f"this is not plain text, for its character {control.start() + 1} is a control character"
    if _SVG.match(text[:_HEAD_CHARACTERS]):
        return "this is an SVG, which can hold scripts"
    return f"this is text, though its name says {mimetypes.guess_type(name)[0]}"


def _is_png(content: bytes) -> bool:
    """From the header on, chunk follows chunk up to the one that ends it, and nothing follows that."""
    if len(content) < _SHORTEST_PNG or not content.startswith(_PNG):
        return False
    place, kinds = len(_PNG), []
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        kinds.append(kind)
        if len(kinds) == 1 and not (kind == b"IHDR" and length == 13 and _is_header(content[place + 4 : place + 25])):  # noqa: PLR2004
            return False
        place += 12 + length
        if kind == b"IEND":
            break
    return place == len(content) and kinds[-1:] == [b"IEND"] and b"IDAT" in kinds


def _is_header(header: bytes) -> bool:
    width, height, bits, colours = struct.unpack_from(">IIBB", header, 4)
    (checked,) = struct.unpack_from(">I", header, 17)
    return width > 0 and height > 0 and bits in _PNG_BITS.get(colours, ()) and checked == crc32(header[:17])


def _is_jpeg(content: bytes) -> bool:
    """Segment follows segment up to the picture itself, which has an end; cameras put things behind it."""
    place, has_size = 2, False
    for _ in range(_MOST_SEGMENTS):
        if place + 4 > len(content) or content[place] != 0xFF:  # noqa: PLR2004
            return False
        marker = content[place + 1]
        if marker in _BARE or marker == 0xFF:  # noqa: PLR2004  # the latter fills up
            place += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        if marker == _SCAN:
            return has_size and content.find(b"\xff\xd9", place) > place
        if marker in _FRAMES:
            has_size = place + 9 <= len(content) and 0 not in struct.unpack_from(">HH", content, place + 5)
        (length,) = struct.unpack_from(">H", content, place + 2)
        place += 2 + length
    return False


def _is_gif(content: bytes) -> bool:
    return content.startswith(_GIF) and len(content) > 13 and 0 not in struct.unpack_from("<HH", content, 6) and content.endswith(b";")  # noqa: PLR2004


def _is_webp(content: bytes) -> bool:
    if len(content) < 20 or content[8:12] != b"WEBP" or content[12:16] not in _WEBP_CHUNKS:  # noqa: PLR2004
        return False
    return int(struct.unpack_from("<I", content, 4)[0]) + 8 == len(content)


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return not _CONTROLS.search(text) and not _SVG.match(text[:_HEAD_CHARACTERS])
