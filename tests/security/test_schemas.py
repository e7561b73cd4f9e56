"""The bounds that every request has in the OpenAPI document, and what is refused past them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import pytest

from tests.conftest import Server
from tests.security.routes import Route, routes_of
from tests.visitor import Visitor

# Of these the shape is the agent's to say, and a depth, a length and kinds of values are all that the document can promise.
FREE: Final = {"config", "value"}
# Formats with a length of their own; a body of bytes has the upload's limit.
_SHORT: Final = {"uuid", "date", "date-time", "binary"}


def _parts(route: Route, name: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schema and every one within it, each with its place."""
    schema = _followed(route, schema)
    yield name, schema
    for word in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(word, []):
            yield from _parts(route, name, inner)
    for field, inner in schema.get("properties", {}).items():
        yield from _parts(route, f"{name}.{field}", inner)
    if "items" in schema:
        yield from _parts(route, f"{name}[]", schema["items"])


def _followed(route: Route, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return route.resolved({"$ref": schema["$ref"]}) if "$ref" in schema else schema


def _requests(route: Route) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for content in route.operation.get("requestBody", {}).get("content", {}).values():
        yield from _parts(route, "body", content["schema"])
    for parameter in route.operation.get("parameters", []):
        yield from _parts(route, parameter["name"], parameter["schema"])


def _fault(place: str, schema: Mapping[str, Any]) -> str | None:
    name, words = place.rpartition(".")[2], {*schema}
    match schema.get("type"):
        case "object" if not (schema.get("additionalProperties") is False or (name in FREE and "maxProperties" in words)):
            return "takes unknown fields: give its model extra='forbid'"
        case "array" if "maxItems" not in words:
            return "is a list without an end: give it a max_length"
        case "string" if not (words & {"maxLength", "enum", "const", "pattern"} or schema.get("format") in _SHORT):
            return "is a text without an end: give it a max_length"
        case "integer" | "number" if not words & {"maximum", "exclusiveMaximum", "enum", "const"}:
            return "is a number without an end: give it an upper bound"
        case None if not (words & {"anyOf", "oneOf", "allOf", "enum", "const"} or name in FREE):
            return "may be anything: say what it is"
    return None


async def test_every_request_is_bounded_in_every_field(server: Server) -> None:
    faults = {
        f"{route}: `{place}` {fault}"
        for route in await routes_of(server.url)
        for place, schema in _requests(route)
        if (fault := _fault(place, schema))
    }
    assert sorted(faults) == []


def test_what_has_no_bounds_is_found() -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {}}, "c": {"type": "integer"}}}
    route = Route("post", "/x", {"requestBody": {"content": {"application/json": {"schema": loose}}}}, {})
    assert [place for place, schema in _requests(route) if _fault(place, schema)] == ["body", "body.a", "body.b", "body.b[]", "body.c"]


async def test_unknown_fields_are_refused_in_every_body(server: Server, operator: Visitor) -> None:
    """As JSON and as a form; an unknown query parameter is not looked at."""
    refused = 0
    session = await operator.open_session()
    for route in await routes_of(server.url):
        body = route.body({"session_id": session, "message_id": session, "interrupt_id": "x"})
        for form in {"json", "data"} & body.keys():
            things = {**dict.fromkeys(route.names("path"), session)}
            sent: dict[str, Any] = {form: {**body[form], "is_admin": "true"}}
            headers = {"X-Milepost-CSRF": "1", "Origin": server.url}  # as the page sends them, for its own routes
            answer = await operator.http.request(route.method, server.url + route.path.format(**things), headers=headers, **sent)
            unknown = [fault["field"] for fault in answer.json().get("errors", [])]
            # Who must not know that a thing is there is not told what is wrong with the body either.
            assert unknown == ["is_admin"] or answer.status_code == httpx.codes.NOT_FOUND, f"{route}: {answer.text}"
            refused += unknown == ["is_admin"]
    assert refused >= 14
    assert (await operator.http.get("/sessions", params={"is_admin": "true", "__proto__": "x"})).status_code == httpx.codes.OK


HOSTILE: Final[Mapping[str, str]] = {
    "a deep list": "[" * 400_000,
    "a deep object": '{"a":' * 150_000,
    "a deep value": '{"interrupt_id": "x", "value": ' + "[" * 60 + "]" * 60 + "}",
    "no number": '{"interrupt_id": "x", "value": NaN}',
    "no end of a number": '{"interrupt_id": "x", "value": {"deep": [Infinity]}}',
    "too large for any machine": '{"interrupt_id": "x", "value": ' + "9" * 5_000 + "}",
    "too large for 64 bits": '{"interrupt_id": "x", "value": 9223372036854775808}',
    "half a surrogate": '{"interrupt_id": "x", "value": "\\ud800"}',
    "half a surrogate in a name": '{"interrupt_id": "x", "value": {"\\udfff": 1}}',
    "half a surrogate in a field's name": '{"\\ud800": 1}',
    "NUL": '{"interrupt_id": "x", "value": "\\u0000"}',
    "a line break in an id": '{"interrupt_id": "x\\ny", "value": 1}',
    "a long name": json.dumps({"k" * 500_000: 1}),
    "many names": json.dumps({f"k{place}": 1 for place in range(50_000)}),
    "many answers": json.dumps({"answers": [{"interrupt_id": "x", "value": 1}] * 20_000}),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_body_is_refused_in_a_few_words(ada: Visitor, body: str) -> None:
    session = await ada.open_session()
    refused = await ada.http.post(f"/sessions/{session}/resume", content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert len(refused.content) < 10_000  # nobody gets a large answer for it, nor their own megabyte back


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "a\tb", "\x7f", "\x9b31m", "line\u2028line", "\0", "\ud800"])
async def test_control_characters_are_refused_in_names(ada: Visitor, name: str) -> None:
    session = await ada.open_session()
    headers = {"Content-Type": "application/json"}
    for answer in (
        await ada.http.post("/sessions", content=json.dumps({"name": name}), headers=headers),
        await ada.http.patch(f"/sessions/{session}", content=json.dumps({"name": name}), headers=headers),
        await ada.http.post("/sessions", content=json.dumps({"agent": name}), headers=headers),
        await ada.http.post(f"/sessions/{session}/chat", content=json.dumps({"message": "Hi", "model": name}), headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    for path, field, body in (
        ("/auth/api-keys", "name", {"name": name, "scopes": ["read"]}),
        ("/webhooks", "url", {"url": f"https://example.com/{name}"}),
    ):
        refused = (await ada.http.post(path, content=json.dumps(body), headers=headers)).json()
        assert [fault["field"] for fault in refused["errors"]] == [field], refused


async def test_what_is_no_json_is_no_body(ada: Visitor) -> None:
    """A page elsewhere can have a browser send a form or plain text without asking; neither is read where JSON is due."""
    path, body = f"/sessions/{await ada.open_session()}/chat", b'{"message": "Hi"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert (await ada.http.post(path, content=body, headers={"Content-Type": kind})).status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert await ada.messages(path.split("/")[2]) == []


async def test_a_form_that_is_dear_to_parse_is_not_parsed(stranger: Visitor) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        refused = await stranger.http.post("/auth/login", content=b"&" * 900_000, headers={"Content-Type": kind})
        assert refused.json()["code"] == "body_too_large"


async def test_a_405_names_every_method_of_the_address(ada: Visitor) -> None:
    session = await ada.open_session()
    for path, allowed in ((f"/sessions/{session}", {"DELETE", "GET", "PATCH"}), ("/memories", {"DELETE", "GET"})):
        refused = await ada.http.post(path)
        assert {*refused.headers["allow"].split(", ")} == allowed
