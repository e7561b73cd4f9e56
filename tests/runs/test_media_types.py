"""What a file is, by its content alone."""

import time
from typing import Final

import pytest

from app.runs.media_types import media_type_of, why_none_of_ours
from tests.pictures import gif, jpeg, png, webp

SOUND: Final = {
    "image/png": png(),
    "image/jpeg": jpeg(),
    "image/gif": gif(),
    "image/webp": webp(),
    "text/plain": "Blåbær\tand\r\nso on 🥾\n".encode(),
}
SVG: Final = b'<?xml version="1.0"?>\n<!-- a picture -->\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
HTML: Final = b"<!doctype html><script>alert(1)</script>"


@pytest.mark.parametrize("media_type", SOUND)
def test_whole_files_are_known_whatever_they_are_called(media_type: str) -> None:
    assert media_type_of(SOUND[media_type], "") == media_type
    assert media_type_of(SOUND[media_type], "page.html") == media_type


@pytest.mark.parametrize("media_type", [name for name in SOUND if name != "text/plain"])
def test_an_image_that_was_cut_off_is_none(media_type: str) -> None:
    whole = SOUND[media_type]
    cut = {length: media_type_of(whole[:length], "") for length in range(4, len(whole))}
    assert {length: kind for length, kind in cut.items() if kind} == {}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (HTML, "photo.png"),
        (SVG, "logo.svg"),
        (SVG, "notes.txt"),
        (b"\xef\xbb\xbf  <SVG>", "notes.txt"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" [<!ENTITY a "b">] >\n<s:svg>', "notes.txt"),
        (b"PK\x03\x04" + bytes(26), "notes.txt"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "notes.txt"),
        (b"text with a \0", "notes.txt"),
        (b"\xff\xfet\0e\0x\0t\0", "notes.txt"),
        (b"\x1b[2Jtext", "notes.txt"),
        (png() + b"PK\x03\x04", "photo.png"),
        (png(width=0), "photo.png"),
        (png().replace(b"IDAT", b"iDOT"), "photo.png"),
        (png()[:16] + b"\0\0\0\x09" + png()[20:], "photo.png"),  # a header that its checksum does not fit
        (b"\xff\xd8\xff\xd9", "photo.jpg"),
    ],
)
def test_what_is_none_of_ours_is_refused(content: bytes, name: str) -> None:
    assert media_type_of(content, name) is None
    assert why_none_of_ours(content, name).startswith("this ")


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"%PDF-1.7\n\xe2\xe3", "a.pdf", "this is a PDF"),
        (b"Hello\0", "a.txt", "this is not plain text, for its character 6 is a control character"),
        (b"Bl\xe5b", "a.txt", "this is neither, for its byte 3 is not UTF-8"),
        (b"\x89PNG\r\n", "a.png", "this PNG is not whole, or not sound"),
        (b"Hello", "a.png", "this is text, though its name says image/png"),
        (b"<svg>", "a.txt", "this is an SVG, which can hold scripts"),
    ],
)
def test_why_it_is_refused_is_told(content: bytes, name: str, why: str) -> None:
    assert media_type_of(content, name) is None
    assert why_none_of_ours(content, name) == why


def test_the_source_of_a_page_is_text() -> None:
    assert media_type_of(HTML, "page.html") == media_type_of(HTML, "") == "text/plain"


def test_what_a_camera_puts_behind_a_picture_does_not_spoil_it() -> None:
    assert media_type_of(jpeg() + b"a short film", "photo.jpg") == "image/jpeg"


def test_what_is_made_to_take_long_does_not() -> None:
    began = time.monotonic()
    assert media_type_of(b"<!---->" * 500 + b"<g>", "notes.txt") == "text/plain"
    assert media_type_of(b"<!---->" * 500 + b"<svg>", "notes.txt") is None
    assert media_type_of(b"\xff" * 10_000_000, "photo.jpg") is None
    assert time.monotonic() - began < 1
