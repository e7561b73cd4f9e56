"""What holds for every route: whose it is, how it refuses, and how it is documented."""

import re
from typing import Any, Final

import httpx
import psycopg
import pytest

from app.persistence import migrate
from tests.conftest import Server
from tests.visitor import Visitor

# Nobody needs to be logged in for these; all others are walked by tests/security/test_ownership.py.
OPEN: Final = {
    *("/api/v1/auth/oidc/login", "/api/v1/auth/oidc/callback"),
    *("/api/v1/auth/page", "/api/v1/auth/page/login", "/api/v1/auth/page/register", "/api/v1/auth/page/logout"),
    *(f"/api/v1/auth/{name}" for name in ("register", "login", "refresh", "logout", "password/forgot", "password/reset")),
    *("/api/v1/auth/email/verify", "/api/v1/auth/email/resend"),
    "/health",
    "/health/live",
    "/health/ready",
}
PROBLEM: Final = {"type", "title", "status", "code", "detail", "instance", "request_id"}


async def _routes(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"{server.url}/openapi.json")).json()
    return [(method, path, route) for path, methods in document["paths"].items() for method, route in methods.items()]


async def test_every_error_an_operation_answers_is_a_problem_document(server: Server) -> None:
    for method, path, route in await _routes(server):
        if not path.startswith("/api/"):
            continue
        assert {"422", "500", "503"} <= route["responses"].keys(), (method, path)
        assert path in OPEN or "401" in route["responses"], (method, path)
        assert "{session_id}" not in path or "404" in route["responses"], (method, path)
        for status, response in route["responses"].items():
            if status >= "400":
                examples = response["content"]["application/problem+json"]["examples"].values()
                assert all(str(example["value"]["status"]) == status for example in examples)


@pytest.mark.parametrize(("method", "path", "code"), [("GET", "/nowhere", "not_found"), ("PUT", "/sessions", "method_not_allowed")])
async def test_the_frameworks_own_refusals_look_like_ours(method: str, path: str, code: str, ada: Visitor) -> None:
    refused = await ada.http.request(method, path)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json().keys() == PROBLEM
    assert refused.json()["code"] == code


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_3", True), ("x" * 65, False), ("a b", False), ("é", False)])
async def test_a_sound_request_id_is_kept(given: str, kept: bool, stranger: Visitor) -> None:
    answer = await stranger.http.get("/nowhere", headers=[(b"X-Request-ID", given.encode())])
    assert (answer.headers["x-request-id"] == given) is kept
    assert re.fullmatch(r"[\w.-]{1,64}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.variables(ALLOWED_ORIGINS="https://chat.example.com")
async def test_only_named_origins_may_call_from_a_browser(stranger: Visitor) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    ours = await stranger.http.options("/sessions", headers={"Origin": "https://chat.example.com", **asked})
    other = await stranger.http.options("/sessions", headers={"Origin": "https://evil.example.com", **asked})
    assert ours.headers["access-control-allow-origin"] == "https://chat.example.com"
    assert "access-control-allow-origin" not in other.headers


async def test_health_names_what_fails(server: Server, database_url: str) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/health/ready")).json()["dependencies"] == {"database": {"status": "ok", "detail": None}}
        first = migrate.history()[-1].split()[0]
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", [first])
            behind = await client.get("/health/ready")
            connection.execute("UPDATE alembic_version SET version_num = 'of a later version'")
            ahead = await client.get("/health/ready")
        assert behind.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert first in behind.json()["dependencies"]["database"]["detail"]
        assert ahead.status_code == httpx.codes.OK  # in a rolling deploy the old servers go on
        assert (await client.get("/health/live")).json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/docs", "/health", "/health/live", "/health/ready"])
async def test_a_probe_may_ask_for_the_head_alone(path: str, server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        head, whole = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-length"] == str(len(whole.content))


async def test_the_page_and_the_docs_load_nothing_from_elsewhere(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        page, docs = await client.get("/"), await client.get("/docs")
        for address in re.findall(r"(?:src|href)=\"([^\"#]+)\"", page.text + docs.text):
            assert address.startswith("/"), address
            assert (await client.get(address)).status_code == httpx.codes.OK, address
