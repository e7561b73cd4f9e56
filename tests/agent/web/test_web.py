"""Pages and searches, on a loopback web: what is read, and what is given up."""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import psutil
import pytest
import pytest_asyncio
from yarl import URL

from app.agent.web.fetching import Fetched
from app.agent.web.opening import OpenWeb, open_web
from app.agent.web.reading import Reader
from app.internet import WebError
from app.internet.addresses import checked_url
from app.settings import WebSettings
from tests.web_stub import HTML, Answer, WebStub, bomb, html, moved, start_web


@pytest.fixture
def stub() -> Iterator[WebStub]:
    with start_web() as stub:
        yield stub


@pytest_asyncio.fixture
async def web(stub: WebStub) -> AsyncIterator[OpenWeb]:
    settings = WebSettings(
        WEB_ALLOW_PRIVATE=True,
        WEB_SEARCH_URL=stub.search_url,
        WEB_SEARCH_SECONDS=1,
        WEB_PAGE_SECONDS=1,
        WEB_PAGE_BYTES=100_000,
        WEB_PAGE_CHARACTERS=2_000,
    )
    async with open_web(settings) as web:
        yield web


async def test_a_page_is_read_as_its_title_and_main_text(web: OpenWeb, stub: WebStub) -> None:
    long = "It is red. " * 30
    stub.pages["/fox"] = html("The  Fox\n", f"<h1>Fox</h1><p>{long}</p><script>evil()</script><p hidden>secret</p><ul><li>one<li>two</ul>")
    page = await web.read(f"{stub.url}/fox#part")
    assert (page.url, page.title) == (f"{stub.url}/fox", "The Fox")
    assert page.text.split("\n") == ["Fox", long.strip(), "one", "two"]


async def test_plain_text_is_read_as_it_is_and_cut(web: OpenWeb, stub: WebStub) -> None:
    stub.pages["/plain"] = Answer(body=("ä" * 5_000).encode("latin-1"), headers={"Content-Type": "text/plain; charset=iso-8859-1"})
    assert (await web.read(f"{stub.url}/plain")).text == "ä" * 2_000


@pytest.mark.parametrize("kind", ["text/html", "text/plain"])
@pytest.mark.parametrize(
    "charset", ["; charset=hex", "; charset=undefined", "; charset=idna", "; charset=caf\xe9", "; charset=nonsense", ""]
)
async def test_a_charset_that_is_none_costs_no_page_and_no_run(web: OpenWeb, stub: WebStub, kind: str, charset: str) -> None:
    stub.pages["/page"] = Answer(body="Fox, café".encode(), headers={"Content-Type": f"{kind}{charset}"})
    assert (await web.read(f"{stub.url}/page")).text == "Fox, café"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_packed_page_is_unpacked(web: OpenWeb, stub: WebStub, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    stub.pages["/packed"] = Answer(body=pack(b"<p>Fox"), headers={"Content-Type": HTML, "Content-Encoding": encoding})
    assert (await web.read(f"{stub.url}/packed")).text == "Fox"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(body=b"%PDF", headers={"Content-Type": "application/pdf"}), "neither HTML nor plain text"),
        (Answer(body=b"\x89PNG", headers={"Content-Type": "image/png"}), "neither HTML nor plain text"),
        (Answer(body=b"<p>Fox"), "neither HTML nor plain text"),
        (Answer(status=404, headers={"Content-Type": HTML}), "status 404"),
        (Answer(status=500, headers={"Content-Type": HTML}), "status 500"),
        (html("Slow", "Fox", seconds=3), "within 1 seconds"),
        (html("Huge", "x" * 200_000), "longer than 100,000 bytes"),
        (bomb(200_000_000), "longer than 100,000 bytes"),
        (Answer(body=b"\x28\xb5\x2f\xfd", headers={"Content-Type": HTML, "Content-Encoding": "zstd"}), "not asked for"),
        (Answer(body=b"no gzip", headers={"Content-Type": HTML, "Content-Encoding": "gzip"}), "could not be unpacked"),
        (html("", "<script>only()</script>"), "has no text"),
        (moved("/page"), "moved more than 5 times"),
        (moved("file:///etc/passwd"), "Only http"),
        (moved("http://user:password@127.0.0.1/"), "name or password"),
        (moved("http://[broken"), "could not be fetched|no web address"),
    ],
)
async def test_what_is_no_readable_page_is_given_up_with_a_reason(web: OpenWeb, stub: WebStub, answer: Answer, why: str) -> None:
    stub.pages["/page"] = answer
    began = time.monotonic()
    with pytest.raises(WebError, match=why):
        await web.read(f"{stub.url}/page")
    assert time.monotonic() - began < 2.5


async def test_a_page_that_has_moved_is_found_and_named_by_its_new_address(web: OpenWeb, stub: WebStub) -> None:
    stub.pages |= {"/old": moved("/older", 301), "/older": moved(f"{stub.url}/new", 308), "/new": html("New", "Fox")}
    assert (await web.read(f"{stub.url}/old")).url == f"{stub.url}/new"


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/", "//10.0.0.1/"],
)
async def test_a_page_may_not_move_to_an_address_that_is_not_public(
    web: OpenWeb, stub: WebStub, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.pages["/away"] = moved(target)
    looks: list[str] = []

    def look(url: str, *, allow_private: bool) -> URL:
        """The first lets the stub pass, which cannot be at a public address; all after it are what they are outside of tests."""
        looks.append(url)
        return checked_url(url, allow_private=allow_private and len(looks) == 1)

    monkeypatch.setattr("app.agent.web.fetching.checked_url", look)
    with pytest.raises(WebError, match="public internet"):
        await web.read(f"{stub.url}/away")
    assert len(looks) == 2


async def test_no_cookie_is_kept_and_no_proxy_of_the_environment_asked(
    web: OpenWeb, stub: WebStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    stub.pages["/cookie"] = Answer(body=b"<p>Fox", headers={"Content-Type": HTML, "Set-Cookie": "who=ada; Path=/"})
    for _ in range(2):
        await web.read(f"{stub.url}/cookie")
    assert not any("cookie" in headers or "authorization" in headers or "referer" in headers for headers in stub.headers)


async def test_a_search_of_ones_own_is_asked_and_cut_to_what_the_settings_want(web: OpenWeb, stub: WebStub) -> None:
    stub.pages |= {f"/fox-{n}": html("Fox", "Fox") for n in range(9)}
    hits = await web.search("fox")
    assert [hit.url for hit in hits] == [f"{stub.url}/fox-{n}" for n in range(5)]
    assert stub.searches == {"fox": 1}


async def test_a_search_that_is_down_or_finds_nothing_is_told_in_words(web: OpenWeb, stub: WebStub) -> None:
    with pytest.raises(WebError, match="found nothing"):
        await web.search("unicorn")
    stub.search_is_down = True
    with pytest.raises(WebError, match="found nothing"):
        await web.search("fox")


HOSTILE = {
    "nested": b"<div>" * 400_000,
    "lists": b"<ul><li>x" * 200_000,
    "open paragraphs": b"<p>" * 600_000,
    "crossed": b"<a><p></a>" * 200_000,
    "formatting": b"<form><a><b><i>" * 130_000,
    "tables": b"<table><tr><td>" * 130_000,
    "scripts": b"<script>1</script>" * 110_000,
    "attributes": b"<a " + b"".join(b"x%d=1 " % number for number in range(200_000)) + b">",
    "comments": b"<!--" * 500_000,
    "brackets": b"<" * 2_000_000,
    "blanks": b"  \n" * 600_000,
}


def _page(content: bytes) -> Fetched:
    return Fetched(url="https://fox.test/", media_type="text/html", charset="utf-8", content=content[:2_000_000])


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.timeout(30)
async def test_a_page_made_to_be_slow_is_read_or_given_up_and_the_server_goes_on(content: bytes) -> None:
    with suppress(WebError):
        await Reader(8_000, seconds=3).read(_page(content))
    assert not any("page_text" in " ".join(child.cmdline()) for child in psutil.Process().children(recursive=True))


@pytest.mark.timeout(90)
async def test_a_large_page_that_takes_all_the_memory_a_page_can_is_read_all_the_same() -> None:
    content = b"<p>" * 1_650_000 + b"<main>" + b"It is red. " * 30
    page = Fetched(url="https://fox.test/", media_type="text/html", charset="utf-8", content=content)
    assert (await Reader(8_000, seconds=60).read(page)).text.startswith("It is red.")


def _readers() -> list[psutil.Process]:
    """The processes that read pages, as far as they have begun to."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "page_text" in " ".join(child.cmdline()) and child.rlimit(psutil.RLIMIT_CPU)[0] == READING_SECONDS:
                found.append(child)
    return found


READING_SECONDS = 7


@pytest.mark.skipif(not psutil.LINUX, reason="no other system tells of another process's limits")
async def test_no_more_than_two_pages_are_read_at_once_each_in_no_more_memory_than_it_can_need() -> None:
    reader = Reader(8_000, seconds=READING_SECONDS)
    reading = [asyncio.create_task(reader.read(_page(HOSTILE["attributes"]))) for _ in range(6)]
    most = 0
    while not all(task.done() for task in reading[:2]):
        readers = _readers()
        most = max(most, len(readers))
        for process in readers:
            with suppress(psutil.Error):
                assert process.rlimit(psutil.RLIMIT_AS)[0] < 200_000_000
        await asyncio.sleep(0.01)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    assert most == 2


async def test_a_page_that_takes_too_long_is_given_up_with_its_process() -> None:
    with pytest.raises(WebError, match="too long"):
        await Reader(8_000, seconds=0.01).read(_page(b"<p>Fox"))


async def test_what_stands_around_the_text_of_a_page_is_left_out() -> None:
    long = "It is red. " * 30
    content = f"<title>Fox</title><body>Menu<article><header>By Ada</header>A <b>red</b> fox.<p>{long}</p><div hidden>x</div> End</article>"
    page = await Reader(8_000).read(_page(content.encode()))
    assert page.text.split("\n") == ["A red fox.", long.strip(), "End"]
