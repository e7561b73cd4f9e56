"""Images as files have them, small or as large as a test wants them."""

import struct
from zlib import compress, crc32


def png(width: int = 2, height: int = 2, *, noise: bytes = b"") -> bytes:
    """A PNG in one colour, with `noise` in a chunk that shows nothing."""
    rows = (b"\0" + b"\x20\x80\x40" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    extra = _chunk(b"nOiS", noise) if noise else b""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", compress(rows)) + _chunk(b"IEND", b"")


def jpeg() -> bytes:
    """The segments of a JPEG of 3 by 2 pixels; nobody could see it."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 2, 3, 1) + b"\x01\x11\0"
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + frame + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\x12\x34" + b"\xff\xd9"


def gif() -> bytes:
    return b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def webp() -> bytes:
    chunk = b"VP8L" + struct.pack("<I", 6) + b"\x2f\0\0\0\0\0"
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
