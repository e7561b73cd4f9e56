"""What every answer tells a browser, and files that are not what they say."""

import re
from dataclasses import replace
from typing import Final

import httpx
import pytest

from app.main import create_app
from app.settings import Environment, Settings
from tests.conftest import Server
from tests.pictures import png
from tests.visitor import Visitor

STANDING: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
HTML: Final = b"<!doctype html><script>document.title = 'owned'</script>"
SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.variables(ALLOWED_ORIGINS="https://chat.example.com")
async def test_every_answer_is_hardened(server: Server, ada: Visitor) -> None:
    """Pages, files, the API's answers and refusals, what crashed before it was one of ours, and a preflight."""
    session = await ada.open_session()
    preflight = {"Origin": "https://chat.example.com", "Access-Control-Request-Method": "POST"}
    for method, path, headers in (
        *(("GET", path, {}) for path in ("/", "/docs", "/openapi.json", "/health", "/static/js/main.js", "/static/nowhere", "/nowhere")),
        *(("GET", path, {}) for path in ("/api/v1/sessions", "/api/v1/nowhere", "/api/v1/sessions/no-id", "/static/index.html")),
        ("GET", "/api/v1/sessions", {"Authorization": "Bearer no"}),
        ("POST", f"/api/v1/sessions/{session}/chat/stream", {}),
        ("PUT", "/api/v1/sessions", {}),
        ("DELETE", f"/api/v1/sessions/{session}", {}),
        ("OPTIONS", "/api/v1/sessions", preflight),
    ):
        answer = await ada.http.request(method, server.url + path, headers=headers, json={"message": "Hi"} if method == "POST" else None)
        told = (method, path, answer.status_code)
        assert {name: answer.headers.get(name) for name in STANDING} == STANDING, told
        assert len(answer.headers.get_list("x-request-id")) == (method != "OPTIONS"), told
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), told
        assert "frame-ancestors 'none'" in policy, told
        assert "geolocation=()" in answer.headers["permissions-policy"], told
        assert "unsafe" not in policy, told
        assert "server" not in answer.headers or answer.headers["server"] == "uvicorn", told  # `serve` leaves it out
        is_private = path.startswith("/api") and method != "OPTIONS"
        assert ("no-" in answer.headers.get("cache-control", "")) is (is_private or path in {"/", "/docs"}), told
        assert "strict-transport-security" not in answer.headers, told


async def test_what_is_served_over_tls_is_asked_for_over_tls_only(settings: Settings) -> None:
    for environment, public_url, scheme, is_told in (
        (Environment.PRODUCTION, "", "https", True),
        (Environment.PRODUCTION, "", "http", False),
        (Environment.STAGING, "", "https", True),
        (Environment.DEVELOPMENT, "", "https", False),
        # Whoever speaks TLS in front need not say so.
        (Environment.DEVELOPMENT, "HTTPS://chat.example.com", "http", True),
        (Environment.PRODUCTION, "http://chat.example.com", "http", False),
    ):
        server = settings.server.model_copy(update={"public_url": public_url})
        transport = httpx.ASGITransport(create_app(replace(settings, environment=environment, server=server)))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://chat.example.com") as client:
            told = (await client.get("/")).headers.get_list("strict-transport-security")
            assert told == (["max-age=31536000"] if is_told else []), (environment, public_url, scheme)


async def test_pages_have_no_script_or_style_that_is_not_a_file(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        for path in ("/", "/docs"):
            page = await client.get(path)
            policy = dict(part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";"))
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
            assert re.findall(r"\sstyle=", page.text) == []
            assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|javascript:", page.text) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.png", HTML),
        ("photo.gif", b"GIF89a" + HTML),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + HTML),
        ("drawing.svg", SVG),
        ("drawing.txt", SVG),
        ("drawing.txt", b"\xef\xbb\xbf<?xml version='1.0'?><!-- x -->" + SVG),
        ("photo.png", png() + HTML),
        ("page.html", b"\xff\xfe" + HTML.decode().encode("utf-16-le")),
        ("a.zip", b"PK\x03\x04" + b"\0" * 30),
        ("a.pdf", b"%PDF-1.7\n" + bytes(range(256))),
    ],
)
async def test_a_file_that_is_not_what_it_says_is_refused(ada: Visitor, name: str, content: bytes) -> None:
    refused = await ada.http.post("/attachments", params={"name": name}, content=content, headers={"Content-Type": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("page.html", HTML, "text/plain; charset=utf-8"),
        ("photo.png", png(noise=HTML), "image/png"),  # a sound picture that has a page in it
    ],
)
async def test_what_could_be_taken_for_a_page_is_handed_out_as_a_file(ada: Visitor, name: str, content: bytes, media_type: str) -> None:
    """With a type that no browser may guess about, to be saved and not shown, and where it is shown, without scripts or an origin."""
    uploaded = (await ada.http.post("/attachments", params={"name": name}, content=content)).json()
    read = await ada.http.get(f"/attachments/{uploaded['id']}")
    assert read.content == content
    assert (read.headers["content-type"], read.headers.get_list("x-content-type-options")) == (media_type, ["nosniff"])
    assert read.headers["content-disposition"].startswith("attachment; ")
    assert read.headers.get_list("content-security-policy") == ["default-src 'none'; sandbox; frame-ancestors 'none'"]
