"""How much an address and a user may ask for: every route has a limit, and every answer tells where one stands."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import psycopg
import pytest

from app.api.limits.routes import Group, RouteLimits, group_of
from app.main import create_app
from app.settings import LimitSettings, Settings
from tests.conftest import Server
from tests.visitor import PASSWORD, Visitor

FREE: Final = {"name": "free", "requests_per_second": 1, "burst": 10}
# Nothing comes back to such a bucket while a test lasts.
FROZEN: Final = {"name": "frozen", "requests_per_second": 0.001, "burst": 7}


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    marked = request.node.get_closest_marker("tiers")
    (tmp_path / "tiers.yaml").write_text(json.dumps({"tiers": marked.args if marked else [FREE]}))  # JSON is YAML
    return {**variables_of_test, "TIERS_FILE": str(tmp_path / "tiers.yaml")}


def _give_tier(database_url: str, tier: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('UPDATE "user" SET tier = %s', [tier])


def _policies(answer: httpx.Response, header: str) -> dict[str, dict[str, str]]:
    """The parameters of each item of a header, by its name."""
    items = [item.split(";") for item in answer.headers.get(header, "").split(", ") if item]
    return {name.strip('"'): dict(parameter.split("=") for parameter in parameters) for name, *parameters in items}


def _limits(settings: Settings) -> RouteLimits:
    return RouteLimits(create_app(settings).routes, LimitSettings())


def test_every_route_has_a_limit_and_only_probes_and_the_page_have_none(server: Server) -> None:
    limits = _limits(server.settings)
    groups = {(method, template): group_of(method, template) for template, methods in limits.templates for method in methods}
    assert len(groups) > 40
    assert {template for (_, template), group in groups.items() if group is Group.EXEMPT} == {
        "/",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
    assert [route for route, group in groups.items() if group is Group.DEFAULT] == [], "Name a group for it in app/api/limits/routes.py."
    for (method, template), group in groups.items():
        path = template.replace("{path}", "js/main.js").replace("{", "").replace("}", "")
        found, windows = limits.of("POST" if method == "*" else method, path)
        assert found is group, template
        assert bool(windows) is (group is not Group.EXEMPT), template


@pytest.mark.parametrize(
    ("method", "path", "windows"),
    [
        ("POST", "/api/v1/auth/login", [(20, 60)]),
        ("POST", "/api/v1/auth/refresh", [(20, 60)]),
        ("POST", "/api/v1/auth/password/forgot", [(20, 60)]),
        ("POST", "/api/v1/auth/email/resend", [(20, 60)]),
        ("GET", "/api/v1/auth/oidc/callback", [(20, 60)]),
        ("DELETE", "/api/v1/me", [(20, 60)]),
        ("GET", "/api/v1/auth/me", [(600, 60)]),
        ("POST", "/api/v1/webhooks/7/deliveries/8/redeliver", [(120, 60)]),
        ("PATCH", "/api/v1/admin/users/7", [(120, 60)]),
        ("POST", "/api/v1/sessions/7/runs", [(30, 60)]),
        ("POST", "/api/v1/sessions/7/replay/stream", [(20, 60)]),
        ("POST", "/api/v1/sessions/7/chat", [(30, 60)]),
        ("POST", "/api/v1/sessions/7/chat/stream", [(20, 60)]),
        ("POST", "/mcp", [(30, 60)]),
        ("GET", "/api/v1/runs/7/stream", [(600, 60)]),
        ("HEAD", "/api/v1/sessions", [(600, 60)]),
        ("GET", "/static/js/main.js", [(1200, 60)]),
        ("GET", "/reset-password", [(1200, 60)]),
        ("GET", "/wp-login.php", [(200, 86_400), (50, 3_600)]),
        ("BREW", "/api/v1/sessions", [(200, 86_400), (50, 3_600)]),
        ("GET", "/health/live", []),
        ("HEAD", "/", []),
    ],
)
def test_the_limits_of_production(server: Server, method: str, path: str, windows: Sequence[tuple[int, int]]) -> None:
    assert [(one.most, one.seconds) for one in _limits(server.settings).of(method, path)[1]] == windows


@pytest.mark.variables(RATE_LIMIT_LOGIN="3 per minute")
async def test_who_guesses_passwords_is_told_to_wait_and_others_are_not(ada: Visitor, bob: Visitor) -> None:
    form = {"username": "ada@example.com", "password": "not it"}
    # Their registrations were two of the three.
    assert (await ada.http.post("/auth/login", data=form)).status_code == httpx.codes.UNAUTHORIZED
    refused = await ada.http.post("/auth/login", data={**form, "password": PASSWORD})
    assert (refused.status_code, refused.headers["content-type"]) == (httpx.codes.TOO_MANY_REQUESTS, "application/problem+json")
    problem = refused.json()
    assert (problem["code"], problem["limit"], problem["limit_name"]) == ("rate_limited", 3, "address-minute login")
    assert 1 <= problem["retry_after"] <= 60
    assert refused.headers["retry-after"] == str(problem["retry_after"])
    assert _policies(refused, "ratelimit-policy") == {"address-minute": {"q": "3", "w": "60"}}
    assert _policies(refused, "ratelimit")["address-minute"]["r"] == "0"
    assert refused.headers["x-request-id"] == problem["request_id"]
    # Another kind of request of the same address.
    assert (await bob.http.get("/auth/me")).status_code == httpx.codes.OK


@pytest.mark.variables(RATE_LIMIT_DEFAULT="2 per hour; 5 per day", RATE_LIMIT_READ="2 per minute")
async def test_what_is_not_there_and_what_is_not_allowed_counts_too(server: Server, stranger: Visitor) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        statuses = [
            (await client.get(path)).status_code for path in ("/a", "/b", "/c", "/health", "/", "/health/live", "/health/ready", "/")
        ]
        assert statuses == [404, 404, 429, 200, 200, 200, 200, 200]
        last = await client.get("/d")
        assert _policies(last, "ratelimit-policy").keys() == {"address-hour", "address-day"}
        assert "ratelimit" not in (await client.get("/health")).headers
    refused = [(await stranger.http.get("/sessions")).status_code for _ in range(3)]
    assert refused == [401, 401, 429]


@pytest.mark.tiers(FREE, FROZEN)
async def test_a_users_bucket_passes_exactly_its_capacity(ada: Visitor, bob: Visitor, database_url: str) -> None:
    _give_tier(database_url, "frozen")
    answers = await asyncio.gather(*(ada.http.get("/auth/me") for _ in range(30)))
    passed = [answer for answer in answers if answer.is_success]
    assert len(passed) == FROZEN["burst"]
    refused = next(answer for answer in answers if answer.status_code == httpx.codes.TOO_MANY_REQUESTS)
    problem = refused.json()
    assert {name: problem[name] for name in ("code", "limit", "limit_name", "tier")} == {
        "code": "rate_limited",
        "limit": 7,
        "limit_name": "user",
        "tier": "frozen",
    }
    assert 900 < problem["retry_after"] <= 1_000
    assert refused.headers["retry-after"] == str(problem["retry_after"])
    assert sorted(int(_policies(answer, "ratelimit")["user"]["r"]) for answer in passed) == [*range(7)]
    assert _policies(refused, "ratelimit-policy")["user"] == {"q": "7", "w": "7000"}
    # Each has a bucket of their own, be it of the same tier at the same address.
    assert (await bob.http.get("/auth/me")).is_success


@pytest.mark.tiers(FREE, FROZEN)
async def test_each_request_costs_one_whatever_it_finds(ada: Visitor, database_url: str) -> None:
    session = await ada.open_session()
    _give_tier(database_url, "frozen")
    paths = (f"/sessions/{session}", f"/sessions/{uuid4()}", f"/sessions/{session}/messages", f"/runs/{uuid4()}", "/quota", "/agents?x=1")
    left = [int(_policies(await ada.http.get(path), "ratelimit")["user"]["r"]) for path in paths]
    assert left == [6, 5, 4, 3, 2, 1]


@pytest.mark.tiers(FREE, FROZEN)
@pytest.mark.variables(MCP_SERVER="true")
async def test_a_key_is_its_users_and_pays_for_what_it_may_not_do_too(
    ada: Visitor, stranger: Visitor, server: Server, database_url: str
) -> None:
    session = await ada.open_session()
    key = (await ada.http.post("/auth/api-keys", json={"name": "Reads", "scopes": ["read"]})).json()["key"]
    _give_tier(database_url, "frozen")
    asked = [
        await stranger.http.request(method, url, json={}, headers={"x-api-key": key})
        for method, url in (("GET", "/models"), ("POST", "/sessions"), ("PATCH", f"/sessions/{session}"), ("POST", f"{server.url}/mcp"))
    ]
    asked.append(await ada.http.get("/models"))
    assert [(answer.status_code, _policies(answer, "ratelimit")["user"]["r"]) for answer in asked] == [
        (200, "6"),
        (403, "5"),
        (403, "4"),
        (403, "3"),
        (200, "2"),
    ]


@pytest.mark.tiers({**FREE, "name": "first"})
async def test_a_tier_that_nobody_knows_is_taken_for_the_first(ada: Visitor) -> None:
    assert _policies(await ada.http.get("/auth/me"), "ratelimit-policy")["user"]["q"] == "10"


@pytest.mark.tiers(FROZEN)
@pytest.mark.variables(RATE_LIMIT_ENABLED="false", RATE_LIMIT_READ="1 per day")
async def test_limits_can_be_switched_off(ada: Visitor) -> None:
    answers = [await ada.http.get("/auth/me") for _ in range(12)]
    assert all(answer.is_success and "ratelimit" not in answer.headers for answer in answers)


@pytest.mark.variables(RATE_LIMIT_READ="2 per minute")
async def test_a_forged_address_changes_nothing(stranger: Visitor) -> None:
    headers = [{"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}", "X-Real-IP": f"10.0.0.{n}"} for n in range(4)]
    statuses = [(await stranger.http.get("/sessions", headers=one)).status_code for one in headers]
    assert statuses == [401, 401, 429, 429]


@pytest.mark.variables(RATE_LIMIT_READ="1 per minute", TRUSTED_PROXIES="127.0.0.0/8")
async def test_behind_a_trusted_proxy_each_client_has_its_own_count(stranger: Visitor) -> None:
    async def status(told: str) -> int:
        return (await stranger.http.get("/sessions", headers={"X-Forwarded-For": told})).status_code

    # What a client writes itself stands to the left of what the proxy has seen.
    assert [await status(told) for told in ("203.0.113.1", "203.0.113.2", "198.51.100.9, 203.0.113.1")] == [401, 401, 429]
    # One house, by whichever of its addresses.
    assert [await status(told) for told in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")] == [401, 429, 401]
