"""Every route of the OpenAPI document, walked as nobody and as somebody else: a new route is walked by itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from tests.api.test_frame import OPEN
from tests.conftest import Server
from tests.security.owned import SECRET, rows, seen_by, things_of
from tests.security.routes import CannotFill, Route, routes_of
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

# What an admin's route may say to who is none; every other hides that there is anything.
_CLOSED_TO_USERS: Final = {httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND}


@asynccontextmanager
async def _somebody_new(server: Server) -> AsyncIterator[Visitor]:
    """Somebody else each time, for some routes end an account or its tokens."""
    async with Visitor(server.url) as visitor:
        await visitor.register(f"{uuid4().hex}@example.com")
        yield visitor


async def _sent(visitor: Visitor, route: Route, server: Server, address: str, body: Mapping[str, Any]) -> httpx.Response:
    return await visitor.http.request(route.method, server.url + address, **body)


async def test_nobody_is_let_in_anywhere_but_where_everybody_is(
    server: Server, ada: Visitor, stranger: Visitor, provider: ProviderStub, *, database_url: str
) -> None:
    things = await things_of(ada, provider, database_url)
    closed = [route for route in await routes_of(server.url) if route.path not in OPEN]
    before = rows(database_url)
    for authorization in (None, "Bearer nonsense", "Basic YWRhOmFkYQ==", "Bearer"):
        stranger.http.headers.pop("Authorization", None)
        if authorization:
            stranger.http.headers["Authorization"] = authorization
        for route in closed:
            answer = await _sent(stranger, route, server, route.address(things), route.body(things))
            assert answer.status_code == httpx.codes.UNAUTHORIZED, f"{route} let nobody in: {answer.text}"
            assert answer.json()["code"] == "not_authenticated", route
            assert SECRET not in answer.text
    assert rows(database_url) == before
    assert len(closed) >= 40


async def test_what_is_anothers_is_not_there_for_anybody_else(
    server: Server, ada: Visitor, provider: ProviderStub, record_property: Any, *, database_url: str
) -> None:
    """404, never 403, on each route that names a thing; on the others, and in bodies, nothing of another is seen or changed."""
    things = await things_of(ada, provider, database_url)
    routes = [route for route in await routes_of(server.url) if route.path not in OPEN]
    seen, before = await seen_by(ada, routes, things, server.url), rows(database_url)
    walked = 0
    async with _somebody_new(server) as bob:
        for route in routes:
            if route.is_admin:
                answer = await _sent(bob, route, server, route.address(things), route.body(things))
                assert answer.status_code in _CLOSED_TO_USERS, f"{route}: {answer.text}"
            elif route.names("path"):
                answer = await _sent(bob, route, server, route.address(things), route.body(things))
                assert answer.status_code == httpx.codes.NOT_FOUND, f"{route}: {answer.status_code} {answer.text}"
            else:
                async with _somebody_new(server) as eve:
                    answer = await _sent(eve, route, server, route.address(things), route.body(things))
            assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, f"{route}: {answer.text}"
            _expect_nothing_of_hers(route, answer, things)
            walked += 1
    assert await seen_by(ada, routes, things, server.url) == seen
    assert before - rows(database_url) == set()
    record_property("routes_walked", walked)
    assert walked >= 40


async def test_anothers_ids_open_nothing_from_ones_own_session(
    server: Server, ada: Visitor, provider: ProviderStub, *, database_url: str
) -> None:
    """In bodies, in queries, and in the rest of a path that begins with one's own session."""
    things = await things_of(ada, provider, database_url)
    routes = [route for route in await routes_of(server.url) if "session_id" in route.names("path")]
    seen, before = await seen_by(ada, routes, things, server.url), rows(database_url)
    tried = []
    async with _somebody_new(server) as bob:
        for route in routes:
            address = server.url + route.address({**things, "session_id": await bob.open_session()})
            bodies: dict[str, Any] = route.bodies_with_ids(things)
            if len(route.names("path")) > 1:
                bodies["its path"] = route.body(things)
            for place, body in bodies.items():
                answer = await bob.http.request(route.method, address, **body)
                assert answer.status_code == httpx.codes.NOT_FOUND, f"{route} with an id in {place}: {answer.status_code} {answer.text}"
                assert answer.json()["code"].endswith("_not_found")
                _expect_nothing_of_hers(route, answer, things)
                tried.append((route, place))
            for name in {*route.names("query")} & {"before", "after", "cursor"}:
                for thing in things.values():
                    _expect_nothing_of_hers(route, await bob.http.get(address, params={name: thing}), things)
                tried.append((route, name))
    assert await seen_by(ada, routes, things, server.url) == seen
    assert before - rows(database_url) == set()
    assert len(tried) >= 15, tried


def _expect_nothing_of_hers(route: Route, answer: httpx.Response, things: Mapping[str, str]) -> None:
    assert SECRET not in answer.text, f"{route} shows what is another's"
    document = answer.json() if answer.headers.get("content-type") == "application/problem+json" else {}
    told = answer.text.replace(document.get("instance", ""), "") if document else answer.text
    assert [one for one in things.values() if one in told] == [], f"{route} names what is another's"


def test_a_route_that_cannot_be_walked_says_what_to_add() -> None:
    operation = {"parameters": [{"name": "webhook_id", "in": "path"}], "requestBody": {"content": {"application/json": {"schema": {}}}}}
    route = Route("post", "/api/v1/webhooks/{webhook_id}", operation, {})
    with pytest.raises(CannotFill, match=r"POST /api/v1/webhooks/.*webhook_id.*things_of"):
        route.address({})
    odd = {"type": "object", "required": ["secret"], "properties": {"secret": {"type": "string", "pattern": "^a"}}}
    with pytest.raises(CannotFill, match="`secret`"):
        Route("post", "/x", {"requestBody": {"content": {"application/json": {"schema": odd}}}}, {}).body({})
