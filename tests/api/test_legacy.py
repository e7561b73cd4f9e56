"""The unversioned paths of earlier servers: version 1 answers there, and each answer says that the path will go."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from app.api.limits.routes import group_of
from app.api.scopes import need_of
from app.main import create_app
from app.settings import ROOT, Settings, load_settings
from tests.conftest import Server
from tests.observability.series import of, scraped
from tests.persistence.clients import eventually
from tests.security.routes import document_of
from tests.stub.answers import HttpError, Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

ANYWHERE: Final = "</api/v1/sessions>"
DOCUMENT: Final = (ROOT / "docs" / "legacy.md").read_text()
REQUESTS: Final = "http_server_request_duration_seconds_count"


def _expect_notice(answer: httpx.Response, successor: str) -> None:
    """Once each, as RFC 9745, 8594 and 8288 have them, and with the dates of docs/legacy.md."""
    [since], [until] = answer.headers.get_list("deprecation"), answer.headers.get_list("sunset")
    assert f"\nDeprecation: {since}\nSunset: {until}\n" in DOCUMENT
    assert answer.headers.get_list("link") == [f'{successor}; rel="successor-version", </docs>; rel="deprecation"; type="text/html"']


async def _post(visitor: Visitor, server: Server, path: str, **body: Any) -> httpx.Response:
    return await visitor.http.post(server.url + path, json=body)


@pytest.mark.parametrize("path", ["/chat", "/api/agent/chat"])
async def test_a_message_opens_a_session_and_the_next_one_goes_on_in_it(
    ada: Visitor, server: Server, provider: ProviderStub, path: str
) -> None:
    await provider.script(Text("Good day."), Text("At noon."))
    first = await _post(ada, server, path, message="Hello")
    session = first.json()["session_id"]
    _expect_notice(first, f"</api/v1/sessions/{session}/chat>")
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["x-request-id"]
    second = (await _post(ada, server, path, message="When?", thread_id=session)).json()
    assert second["messages"] == [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "At noon."}]
    assert {second[name] for name in ("response", "content")} == {"At noon."}
    assert (second["thread_id"], second["type"], second["status"]) == (session, "ai", "completed")
    assert [said["content"] for said in await ada.messages(session)] == ["Hello", "Good day.", "When?", "At noon."]


async def test_the_reply_has_all_that_version_1_says(ada: Visitor, server: Server) -> None:
    session = await ada.open_session()
    old = (await _post(ada, server, f"/api/sessions/{session}/chat", message="Hello")).json()
    new = (await ada.ask(session, "Hello")).json()
    assert new.keys() <= old.keys()
    assert old["message"].keys() == new["message"].keys()


async def test_of_a_whole_conversation_the_last_word_of_the_user_is_sent(ada: Visitor, server: Server, provider: ProviderStub) -> None:
    said = [("system", ""), ("user", "Not this"), ("assistant", ""), ("human", "But this"), ("ai", "x" * 40_000)]
    answer = await _post(ada, server, "/chat", messages=[{"role": role, "content": content} for role, content in said], user_id="anybody")
    assert answer.json()["messages"][0]["content"] == "But this"
    [request] = await provider.requests(containing="But this")
    assert "Not this" not in str(request.messages)
    both = await _post(ada, server, "/chat", message="Rather this", messages=[{"role": "user", "content": "Than this"}])
    assert both.json()["messages"][0]["content"] == "Rather this"


async def test_what_was_said_is_read_by_each_door(ada: Visitor, server: Server, provider: ProviderStub) -> None:
    await provider.script(Text("Good day."))
    session = (await _post(ada, server, "/chat", message="Hello")).json()["session_id"]
    doors = [
        await ada.http.get(f"{server.url}/history", params={"session_id": session}),
        await ada.http.get(f"{server.url}/history", params={"thread_id": session}),
        await _post(ada, server, "/history", thread_id=session),
        await ada.http.get(f"{server.url}/api/sessions/{session}/history"),
    ]
    for answer in doors:
        _expect_notice(answer, f"</api/v1/sessions/{session}/messages>")
        assert answer.headers["cache-control"] == "no-store"
        document = answer.json()
        told = [(said["role"], said["type"], said["content"]) for said in document["messages"]]
        assert told == [("user", "human", "Hello"), ("assistant", "ai", "Good day.")]
        assert (document["session_id"], document["next_before"]) == (session, None)
    latest = (await _post(ada, server, "/history", session_id=session, limit=1)).json()
    assert [said["content"] for said in latest["messages"]] == ["Good day."]
    before = {"session_id": session, "before": latest["next_before"]}
    assert [said["content"] for said in (await _post(ada, server, "/history", **before)).json()["messages"]] == ["Hello"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_input"),
        ({"messages": []}, "invalid_input"),
        ({"messages": [{"role": "assistant", "content": "Hello"}]}, "invalid_input"),
        ({"messages": [{"role": "robot", "content": "Hello"}]}, "invalid_input"),
        ({"message": "Hello", "agent_config": {}}, "invalid_input"),
        ({"message": "Hello", "session_id": "no id"}, "invalid_input"),
        ({"message": "Hello", "session_id": str(uuid4()), "thread_id": str(uuid4())}, "invalid_input"),
        ({"message": "Hello", "model": "nobody's"}, "unknown_model"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_leaves_no_session(
    ada: Visitor, server: Server, body: Mapping[str, Any], code: str
) -> None:
    refused = await _post(ada, server, "/chat", **body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert refused.headers["content-type"] == "application/problem+json"
    assert "deprecation" in refused.headers
    assert (await ada.http.get("/sessions")).json()["items"] == []


async def test_refusals_say_it_too(ada: Visitor, bob: Visitor, stranger: Visitor, server: Server) -> None:
    hers, nobodys = await ada.open_session(), uuid4()
    for path in ("/chat", "/api/agent/chat", "/history", f"/api/sessions/{hers}/chat"):
        refused = await _post(stranger, server, path, message="Hello")
        assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated"), path
        assert "deprecation" in refused.headers
    for session in (hers, nobodys):
        chat, messages = (f"</api/v1/sessions/{session}/{last}>" for last in ("chat", "messages"))
        for answer, successor in (
            (await _post(bob, server, "/chat", message="Hello", session_id=str(session)), chat),
            (await _post(bob, server, "/api/agent/chat", message="Hello", thread_id=str(session)), chat),
            (await _post(bob, server, f"/api/sessions/{session}/chat", message="Hello"), chat),
            (await _post(bob, server, "/history", session_id=str(session)), messages),
            (await bob.http.get(f"{server.url}/history", params={"session_id": str(session)}), messages),
            (await bob.http.get(f"{server.url}/api/sessions/{session}/history"), messages),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found"), answer.url
            _expect_notice(answer, successor)
    other = await bob.http.put(f"{server.url}/chat")
    assert (other.status_code, other.headers["allow"]) == (405, "POST")
    _expect_notice(other, ANYWHERE)


async def test_what_is_no_id_gets_into_no_header(ada: Visitor, server: Server) -> None:
    for named in ("no-id", "x%0d%0aSet-Cookie:%20a=b", "%3E;%20rel=next"):
        refused = await ada.http.get(f"{server.url}/api/sessions/{named}/history")
        assert refused.status_code == 422
        assert "set-cookie" not in refused.headers
        _expect_notice(refused, ANYWHERE)


async def test_a_failure_of_the_provider_says_it_too_and_its_session_stays(ada: Visitor, server: Server, provider: ProviderStub) -> None:
    await provider.script(HttpError(500))
    failed = await _post(ada, server, "/chat", message="Hello")
    assert (failed.status_code, failed.json()["code"]) == (503, "model_unavailable")
    [session] = (await ada.http.get("/sessions")).json()["items"]
    _expect_notice(failed, f"</api/v1/sessions/{session['id']}/chat>")


@pytest.mark.variables(RATE_LIMIT_CHAT="2 per hour")
async def test_one_limit_holds_for_both_paths_of_a_chat(ada: Visitor, server: Server) -> None:
    session = await ada.open_session()
    assert (await ada.ask(session, "Hello")).is_success
    assert (await _post(ada, server, f"/api/sessions/{session}/chat", message="Hello")).is_success
    for path in (f"/api/sessions/{session}/chat", "/chat"):
        refused = await _post(ada, server, path, message="Hello")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        _expect_notice(refused, f"</api/v1/sessions/{session}/chat>" if session in path else ANYWHERE)


async def test_a_key_names_one_run_by_either_path(ada: Visitor, server: Server) -> None:
    session, key = await ada.open_session(), {"Idempotency-Key": "5f1c2a90"}
    body = {"message": "Hello"}
    answers = [
        await ada.http.post(f"/sessions/{session}/chat", json=body, headers=key),
        await ada.http.post(f"{server.url}/api/sessions/{session}/chat", json=body, headers=key),
        await ada.http.post(f"{server.url}/chat", json={**body, "session_id": session}, headers=key),
    ]
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    refused = await ada.http.post(f"{server.url}/chat", json=body, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert [one["id"] for one in (await ada.http.get("/sessions")).json()["items"]] == [session]


async def test_the_doors_are_documented_as_deprecated_and_version_1_is_not(server: Server) -> None:
    paths = (await document_of(server.url))["paths"]
    deprecated = {(method, path) for path, methods in paths.items() for method, one in methods.items() if one.get("deprecated")}
    assert deprecated == {
        *(("post", path) for path in ("/chat", "/api/agent/chat", "/history", "/api/sessions/{session_id}/chat")),
        *(("get", path) for path in ("/history", "/api/sessions/{session_id}/history")),
    }
    assert all(paths[path][method]["security"] for method, path in deprecated)


@pytest.mark.parametrize(
    "path", ["/chat", "/api/agent/chat", "/api/sessions/{session_id}/chat", "/history", "/api/sessions/{session_id}/history"]
)
def test_a_door_asks_for_the_scope_and_counts_in_the_limit_of_its_successor(path: str) -> None:
    last = path.rpartition("/")[2]
    method, successor = {"chat": ("POST", "chat"), "history": ("GET", "messages")}[last]
    route = (method, f"/api/v1/sessions/{{session_id}}/{successor}")
    doors = {(method, path), ("POST", path)} if path == "/history" else {(method, path)}
    for door in doors:
        assert need_of(*door) == need_of(*route), door
        assert group_of(*door) == group_of(*route), door


async def test_metrics_know_each_door_by_its_route(ada: Visitor, server: Server) -> None:
    before = await scraped(server.url)
    session = (await _post(ada, server, "/chat", message="Hello")).json()["session_id"]
    await ada.http.get(f"{server.url}/api/sessions/{session}/history")
    after = await scraped(server.url)
    for route in ("/chat", "/api/sessions/{session_id}/history"):
        assert of(after, REQUESTS, http_route=route) == of(before, REQUESTS, http_route=route) + 1


async def test_each_door_is_a_line_of_the_log(ada: Visitor, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    session = (await _post(ada, server, "/chat", message="Hello")).json()["session_id"]
    await ada.http.get(f"{server.url}/history", params={"session_id": session})

    def doors() -> list[str]:
        lines = (line for line in caplog.text.splitlines() if "request_finished" in line and session in line)
        return [route for line in lines for route in ("/chat", "/history") if f"'route': '{route}'" in line]

    # A line is written once its answer is sent.
    assert await asyncio.to_thread(eventually, lambda: len(doors()) == 2, 10)
    assert doors() == ["/chat", "/history"]


@pytest.mark.variables(LEGACY_PATHS="false")
async def test_switched_off_nothing_is_there(ada: Visitor, server: Server) -> None:
    session, before = await ada.open_session(), await scraped(server.url)
    for path in ("/chat", "/api/agent/chat", "/history", f"/api/sessions/{session}/chat"):
        refused = await _post(ada, server, path, message="Hello")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), path
        assert "deprecation" not in refused.headers
    unmatched = of(await scraped(server.url), REQUESTS, http_route="unmatched")
    assert unmatched == of(before, REQUESTS, http_route="unmatched") + 4
    assert "/chat" not in (await document_of(server.url))["paths"]


@pytest.mark.parametrize(
    ("environment", "is_there"),
    [("test", True), ("development", True), ("staging", True), ("production", False)],
)
def test_production_has_them_only_when_told(
    settings: Settings, environment: str, is_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del settings
    monkeypatch.setenv("APP_ENV", environment)
    monkeypatch.setenv("JWT_SECRET_KEY", "Zq8-legacy-3nV6xP1wK9rT4yB7mL2cD5fG0h")
    monkeypatch.setenv("HASH_MEMORY_KIB", "65536")
    app = create_app(load_settings(tmp_path))
    assert ("/chat" in app.openapi()["paths"]) is is_there
    monkeypatch.setenv("LEGACY_PATHS", "true")
    assert "/chat" in create_app(load_settings(tmp_path)).openapi()["paths"]
