"""What holds for every refusal, ours or the framework's."""

from collections.abc import Sequence

import httpx
import pytest

from app.api.errors import Problem
from tests.conftest import Server
from tests.visitor import Visitor

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}

# Method, path, body, headers, status.
REFUSALS: dict[str, tuple[str, str, bytes, dict[str, str], int]] = {
    "no such address": ("GET", "/nowhere", b"", {}, 404),
    "a method not taken": ("PUT", "/sessions", b"", {}, 405),
    "an id that is none": ("GET", "/sessions/nul%00", b"", {}, 422),
    "an id of nobody's": ("GET", "/sessions/01980000-0000-7000-8000-000000000000", b"", {}, 404),
    "a page of none": ("GET", "/sessions?limit=0", b"", {}, 422),
    "a page of too many": ("GET", "/sessions?limit=101", b"", {}, 422),
    "a search for NUL": ("GET", "/sessions?q=%00", b"", {}, 422),
    "a form that is none": ("POST", "/auth/login", b"--x\r\n", {"Content-Type": "multipart/form-data"}, 422),
    "a form of a thousand fields": ("POST", "/auth/login", b"a=b&" * 1001, FORM, 422),
    "a form in which nothing is text": ("POST", "/auth/login", b"username=%00%ff&password=%ed%a0%80", FORM, 401),
    "JSON of another type": ("POST", "/sessions", b'{"name": "x"}', {"Content-Type": "text/plain"}, 415),
    "JSON that is none": ("POST", "/sessions", b"{", JSON, 422),
    "half a surrogate pair": ("POST", "/sessions", b'{"name": "\\ud800"}', JSON, 422),
    "half a surrogate pair as a field": ("POST", "/sessions", b'{"\\ud800": 1}', JSON, 422),
    "a number without end": ("POST", "/sessions", b'{"name": ' + b"1" * 5000 + b"}", JSON, 422),
    "a nest without end": ("POST", "/sessions", b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, 422),
    "too large": ("POST", "/sessions", b'{"name": "' + b"x" * 1_000_000 + b'"}', JSON, 413),
}


async def test_every_refusal_is_a_problem_document(ada: Visitor) -> None:
    for name, (method, path, body, headers, status) in REFUSALS.items():
        refused = await ada.http.request(method, path, content=body, headers=headers)
        assert refused.status_code == status, (name, refused.text)
        assert refused.headers["content-type"] == "application/problem+json", name
        problem = Problem.model_validate_json(refused.content)
        assert problem.status == status, name
        assert problem.instance == refused.request.url.path, name
        assert problem.request_id == refused.headers["x-request-id"], name


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"name": nix}', "is not JSON (at character 9)"),
        (b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is nested too deep"),
        (b'{"name": "\xff"}', "is not UTF-8"),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_why(body: bytes, fault: str, ada: Visitor) -> None:
    refused = (await ada.http.post("/sessions", content=body, headers=JSON)).json()
    assert (refused["code"], refused["errors"]) == ("invalid_input", [{"field": "body", "message": fault}])
    assert refused["detail"] == f"The body {fault}."


async def test_a_body_whose_parts_do_not_fit_is_told_so_in_a_sentence(ada: Visitor) -> None:
    refused = (await ada.http.post(f"/sessions/{await ada.open_session()}/resume", json={})).json()
    assert refused["detail"] == "The body is not valid: give either interrupt_id and value, or answers to different interrupts."


async def test_json_that_comes_as_a_form_is_told_its_header(ada: Visitor) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused = await ada.http.post("/sessions", content=b'{"name": "x"}', headers=form)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in refused.json()["detail"]


async def test_who_is_nobody_hears_that_before_what_else_is_wrong(stranger: Visitor) -> None:
    paths = (
        "/sessions/no-id",
        "/sessions/no-id/messages?limit=x",
        "/runs/no-id",
        "/attachments/no-id",
        "/sessions?limit=x",
        "/memories?limit=x",
    )
    for headers in ({}, {"Authorization": "Bearer no.token.atall"}):
        for path in paths:
            assert (await stranger.http.get(path, headers=headers)).json()["code"] == "not_authenticated", (path, headers)


async def test_a_method_that_is_not_taken_is_told_what_is(ada: Visitor) -> None:
    assert (await ada.http.put("/auth/me")).headers["allow"] == "GET, PATCH"


async def test_nothing_leads_out_of_the_files_of_the_page(server: Server) -> None:
    names: Sequence[str] = ("../main.py", "..%2fmain.py", "%2e%2e/main.py", "%00", "a" * 300, "", "js")
    async with httpx.AsyncClient(base_url=server.url) as client:
        for name in names:
            assert (await client.get(f"/static/{name}")).status_code == httpx.codes.NOT_FOUND, name
