"""/metrics: what it says, to whom, and that it stays as large as it is."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app import signals
from app.persistence.credentials import hashed
from app.settings import Settings
from tests.conftest import Server, serving
from tests.faults.server_process import ServerProcess
from tests.observability.series import of, scraped, value
from tests.ports import held_port
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor, read_a_token

TOKEN: Final = "Zq8-metrics-3nV6xP1wK9rT4yB7mL2cD5fG0h"
SECRET: Final = "p7Qw9-canary-zL4mX2vB8nR5tY1kH6jD3sF0"
_USERS: Final = 1_000
_METHODS: Final = ("PROPFIND", "MKCOL", "LOCK", "SEARCH")
_MAKE_USERS: Final = """
WITH made AS (INSERT INTO "user" (id, email, remembers, role, tier, created_at)
    SELECT gen_random_uuid(), 'user' || n || '@example.com', true, 'user', 'free', now() FROM generate_series(1, %(users)s) AS n
    RETURNING id, email)
INSERT INTO api_key (id, user_id, name, start, hash, scopes, created_at)
SELECT gen_random_uuid(), made.id, 'Key', 'mp_', given.hash, '{read,chat}', now()
  FROM made JOIN unnest(%(emails)s::text[], %(hashes)s::bytea[]) AS given (email, hash) USING (email)
"""


async def _get(server: Server | str, path: str = "/metrics", method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        url = server if isinstance(server, str) else server.url
        return await client.request(method, f"{url}{path}", headers=headers)


async def test_a_scrape_tells_what_runs_and_how_it_is(server: Server, ada: Visitor) -> None:
    first = await scraped(server.url)
    assert (await ada.http.get("/auth/me")).is_success
    found = await scraped(server.url)
    route = {"http_request_method": "GET", "http_route": "/api/v1/auth/me", "http_response_status_code": "200"}
    name = "http_server_request_duration_seconds_count"
    assert of(found, name, **route) == of(first, name, **route) + 1
    assert of(found, "milepost_build_info", role="server", environment="test") == 1
    assert of(found, "milepost_pool_connections", pool="main") >= 2
    assert of(found, "milepost_pool_connections_max", pool="main") == server.settings.database.pool_size
    assert of(found, "milepost_runs_live_max") == server.settings.runs.max_live_runs
    assert of(found, "milepost_breaker_state", state="closed", model="gpt-5") == 1
    assert of(found, "process_resident_memory_bytes") > 1e6
    assert of(found, "milepost_shared_limits_up") == 1


async def test_the_form_is_what_prometheus_asks_for(server: Server) -> None:
    plain = await _get(server)
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert plain.headers["content-encoding"] == "gzip", "httpx takes it"
    assert "_created" not in plain.text
    newer = await _get(server, accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5", **{"accept-encoding": "identity"})
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "content-encoding" not in newer.headers
    assert newer.text.endswith("# EOF\n")
    assert len([*text_string_to_metric_families(newer.text)]) > 60  # type: ignore[no-untyped-call]  # the library leaves it bare
    head = await _get(server, method="HEAD")
    assert (head.status_code, head.content) == (httpx.codes.OK, b"")
    assert (await _get(server, method="POST")).status_code == httpx.codes.METHOD_NOT_ALLOWED


@pytest.mark.variables(METRICS_TOKEN=TOKEN)
@pytest.mark.parametrize("given", ["", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"])
async def test_without_its_token_a_scrape_is_refused(given: str, server: Server) -> None:
    async with httpx.AsyncClient() as client:
        refused = await client.get(f"{server.url}/metrics", headers={b"authorization": given.encode()} if given else {})
    assert (refused.status_code, refused.json()["code"]) == (httpx.codes.UNAUTHORIZED, "not_authenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in refused.text


@pytest.mark.variables(METRICS_TOKEN=TOKEN)
async def test_with_its_token_a_scrape_is_answered(server: Server) -> None:
    assert await scraped(server.url, authorization=f"Bearer {TOKEN}")
    assert (await _get(server, authorization=f"bearer {TOKEN}")).is_success


@pytest.mark.variables(APP_ENV="production", JWT_SECRET_KEY=SECRET)
async def test_production_shows_nothing_without_a_token_and_says_so(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    refused = await _get(server)
    assert (refused.status_code, refused.json()["code"]) == (httpx.codes.NOT_FOUND, "not_found")
    with serving(server.settings) as url:
        assert (await _get(url)).status_code == httpx.codes.NOT_FOUND
    assert "metrics_not_shown" in capfd.readouterr().out


@pytest.mark.variables(APP_ENV="production", JWT_SECRET_KEY=SECRET, METRICS_TOKEN=TOKEN)
async def test_production_shows_them_to_who_has_it(server: Server) -> None:
    found = await scraped(server.url, authorization=f"Bearer {TOKEN}")
    assert of(found, "milepost_build_info", environment="production") == 1
    assert (await _get(server)).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.variables(METRICS_ENABLED="false")
async def test_metrics_can_be_switched_off(server: Server) -> None:
    assert (await _get(server)).status_code == httpx.codes.NOT_FOUND
    assert signals.request_begun._hearers == ()


@pytest.mark.variables(RATE_LIMIT_DEFAULT="1 per day", RATE_LIMIT_READ="1 per day")
async def test_a_scrape_is_not_counted_by_its_address(server: Server) -> None:
    assert [(await _get(server)).status_code for _ in range(4)] == [200] * 4


async def test_a_server_that_stops_leaves_nobody_listening(server: Server) -> None:
    with serving(server.settings):
        assert len(signals.request_begun._hearers) == 1
    assert len(signals.request_begun._hearers) == 1, "the other server's"


async def test_a_stream_counts_to_its_first_byte_and_is_open_after_it(ada: Visitor, server: Server, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=2))
    session = await ada.open_session()
    before = await scraped(server.url)
    async with ada.streaming(session, "Count", on_disconnect="cancel") as events:
        await read_a_token(events)
        during = await scraped(server.url)
    name, route = "http_server_request_duration_seconds_count", "/api/v1/sessions/{session_id}/chat/stream"
    assert of(during, name, http_route=route) == of(before, name, http_route=route) + 1
    assert of(during, "milepost_streams_open") == of(before, "milepost_streams_open") + 1
    assert of(during, "http_server_active_requests") == of(before, "http_server_active_requests"), "the scrape itself"
    await provider.wait_until_closed_early()
    after = await _until_closed(server, of(before, "milepost_streams_open"))
    assert of(after, name, http_route=route) == of(during, name, http_route=route)
    for reason, more in {"hung_up": 1, "ended": 0, "failed": 0}.items():
        assert of(after, "milepost_streams_total", reason=reason) == of(before, "milepost_streams_total", reason=reason) + more


async def _until_closed(server: Server, open_: float) -> Any:
    async with asyncio.timeout(10):
        while of(found := await scraped(server.url), "milepost_streams_open") != open_:  # noqa: ASYNC110  # the server makes it so
            await asyncio.sleep(0.02)
    return found


async def test_a_stream_to_its_end_has_ended(ada: Visitor) -> None:
    before = value("milepost_streams_total", reason="ended")
    await ada.stream(await ada.open_session(), "Hello")
    assert value("milepost_streams_total", reason="ended") == before + 1


@contextmanager
def _counting(name: str, **labels: str) -> Iterator[None]:
    before = value(name, **labels)
    yield
    assert value(name, **labels) == before + 1, (name, labels)


@pytest.mark.variables(LOCKOUT_FAILURES="1")
@pytest.mark.usefixtures("ada")
async def test_signing_in_is_told_with_what_became_of_it(stranger: Visitor, database_url: str) -> None:
    async def try_with(password: str) -> int:
        return (await stranger.http.post("/auth/login", data={"username": "ada@example.com", "password": password})).status_code

    with _counting("milepost_logins_total", method="password", outcome="ok"):
        assert await try_with(PASSWORD) == 200
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('UPDATE "user" SET disabled_at = now()')
        with _counting("milepost_logins_total", method="password", outcome="disabled"):
            assert await try_with(PASSWORD) == 401
        connection.execute('UPDATE "user" SET disabled_at = NULL')
    with _counting("milepost_logins_total", method="password", outcome="wrong"), _counting("milepost_lockouts_total", by="account"):
        assert [await try_with("Wrong-12") for _ in range(1)] == [401]
    locked = {"method": "password", "outcome": "locked"}
    with _counting("milepost_logins_total", **locked), _counting("milepost_limited_total", limit="login", tier=""):
        assert await try_with(PASSWORD) == 429


async def test_the_page_and_its_own_logins_are_told_apart(ada: Visitor, server: Server) -> None:
    headers = {"X-Milepost-CSRF": "1", "Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    with _counting("milepost_logins_total", method="page", outcome="ok"):
        known = {"email": "ada@example.com", "password": PASSWORD}
        assert (await ada.http.post("/auth/page/login", json=known, headers=headers)).is_success
    with _counting("milepost_logins_total", method="page", outcome="wrong"):
        assert (await ada.http.post("/auth/page/login", json={**known, "password": "Wrong-12"}, headers=headers)).status_code == 401


@pytest.mark.usefixtures("ada")
async def test_tokens_that_are_not_taken_are_told_by_why(stranger: Visitor, database_url: str) -> None:
    async def me(token: str) -> int:
        return (await stranger.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code

    with _counting("milepost_tokens_refused_total", reason="invalid"):
        assert await me("none") == 401
    with _counting("milepost_tokens_refused_total", reason="unknown"):
        assert await me("mp_" + "x" * 43) == 401
    with _counting("milepost_tokens_refused_total", reason="invalid"):
        assert await me("mp_short") == 401
    tokens = (await stranger.http.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})).json()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET revoked_at = now()")
    with _counting("milepost_tokens_refused_total", reason="revoked"):
        assert await me(tokens["access_token"]) == 401
    with _counting("milepost_tokens_refused_total", reason="revoked"):
        assert (await stranger.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code == 401


@pytest.mark.variables(REFRESH_GRACE_SECONDS="0.001")
@pytest.mark.usefixtures("ada")
async def test_a_refresh_token_that_comes_twice_is_told(stranger: Visitor) -> None:
    tokens = (await stranger.http.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})).json()
    given = {"refresh_token": tokens["refresh_token"]}
    assert (await stranger.http.post("/auth/refresh", json=given)).is_success
    with _counting("milepost_refresh_tokens_reused_total"):
        assert (await stranger.http.post("/auth/refresh", json=given)).status_code == 401


@pytest.mark.variables(RATE_LIMIT_READ="1 per day")
async def test_who_is_refused_for_an_address_has_no_tier(stranger: Visitor) -> None:
    await stranger.http.get("/sessions")
    with _counting("milepost_limited_total", limit="address", tier=""):
        assert (await stranger.http.get("/sessions")).status_code == 429


async def test_who_is_refused_for_their_own_sake_has_one(settings: Settings, tmp_path: Path) -> None:
    tiers = {"tiers": [{"name": "one", "requests_per_second": 0.001, "burst": 1}]}
    (tmp_path / "one.yaml").write_text(json.dumps(tiers))  # JSON is YAML
    limits = settings.limits.model_copy(update={"tiers_file": tmp_path / "one.yaml"})
    with serving(replace(settings, limits=limits)) as url:
        async with Visitor(url) as ada:
            await ada.register("ada@example.com")
            with _counting("milepost_limited_total", limit="user", tier="one"):
                assert [(await ada.http.get("/auth/me")).status_code for _ in range(2)] == [200, 429]


async def test_a_worker_tells_its_own_at_a_port_of_its_own(variables_of_test: dict[str, str], tmp_path: Path) -> None:
    with held_port() as held:
        port = held.getsockname()[1]
        variables = {**variables_of_test, "METRICS_PORT": str(port), "METRICS_TOKEN": TOKEN}
        url = f"http://127.0.0.1:{port}"
        async with ServerProcess(variables, tmp_path / "worker.log", "worker"):
            await _until_listening(url)
            found = await scraped(url, authorization=f"Bearer {TOKEN}")
            assert of(found, "milepost_build_info", role="worker") == 1
            refused = await _get(url)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (httpx.codes.UNAUTHORIZED, "Bearer")
            assert (await _get(url, "/health/live")).json() == {"status": "ok"}, "a probe has no token"
            async with ServerProcess(variables, tmp_path / "second.log", "worker") as second:
                assert second.wait() == 1
                assert second.output().startswith(f"Port {port} of 127.0.0.1 is taken already. Set another: METRICS_PORT=…")
            assert (await _get(url)).status_code == httpx.codes.UNAUTHORIZED, "it goes on"


async def _until_listening(url: str) -> None:
    async with asyncio.timeout(40), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"{url}/metrics")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.variables(TRUSTED_PROXIES="127.0.0.0/8", RATE_LIMIT_DEFAULT="20 per minute", RATE_LIMIT_READ="20 per minute")
async def test_a_thousand_users_and_strangers_make_no_series_more(server: Server, ada: Visitor, database_url: str) -> None:
    keys = [f"mp_{uuid4().hex}{number:011d}" for number in range(_USERS)]
    _make_users(database_url, keys)
    async with httpx.AsyncClient(base_url=server.url, limits=httpx.Limits(max_connections=20)) as client:
        room = asyncio.Semaphore(20)

        async def come(number: int) -> None:
            me = {"authorization": f"Bearer {keys[number]}", "x-forwarded-for": f"10.0.{number // 250}.{number % 250}"}
            async with room:
                assert (await client.get("/api/v1/auth/me", headers=me)).is_success
                if number % 20 < 2:
                    await client.get(f"/{uuid4()}/{number}", headers=me)
                    await client.request(_METHODS[number % len(_METHODS)], f"/api/v1/{uuid4()}", headers=me)
                    await client.get(f"/api/v1/runs/{uuid4()}", headers={**me, "authorization": f"Bearer {uuid4()}"})
                    await client.get(f"/static/{uuid4()}.js", headers={**me, "host": f"{uuid4()}.example.com"})

        session = await ada.open_session()
        await ada.stream(session, "Hello")
        await asyncio.gather(*(come(number) for number in (0, 1)))
        await scraped(server.url)  # is a request too
        before = await scraped(server.url)
        await asyncio.gather(*(come(number) for number in range(_USERS)))
        await ada.stream(session, f"Hello {uuid4()}")
        after = await scraped(server.url)
    assert {name for name, _ in after} == {name for name, _ in before}
    assert sorted(map(str, after.keys() - before.keys())) == []
    text = str([*after])
    assert not [word for word in ("example.com", "10.0.", session, keys[7]) if word in text]


def _make_users(database_url: str, keys: list[str]) -> None:
    emails = [f"user{number}@example.com" for number in range(1, len(keys) + 1)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_MAKE_USERS, {"users": len(keys), "emails": emails, "hashes": [hashed(key) for key in keys]})
