"""What Ada has that nobody else may see or touch, one of each kind, and a picture of all of it."""

from collections.abc import Mapping
from typing import Any, Final

import httpx
import psycopg
from psycopg import sql

from tests.remembered import remember
from tests.security.routes import Route
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

SECRET: Final = "The-owls-are-not-what-they-seem"


async def things_of(ada: Visitor, provider: ProviderStub, database_url: str, *, email: str = "ada@example.com") -> dict[str, str]:
    """Ids by the names that paths and bodies have for them."""
    renames = ToolCalls([ToolCall("rename_session", {"name": SECRET})])
    await provider.script(Text(f"{SECRET} is what I say."), renames)
    session = await ada.open_session(SECRET)
    answer = (await ada.ask(session, f"{SECRET} is what I ask.")).json()
    attachment = (await ada.http.post("/attachments", params={"name": f"{SECRET}.txt"}, content=SECRET.encode())).json()["id"]
    question = (await ada.ask(session, "Rename it")).json()["interrupts"][0]["id"]
    checkpoint = (await ada.http.get(f"/sessions/{session}/checkpoints")).json()["items"][0]["id"]
    # One that could still be stopped: no worker takes it.
    waiting = await ada.open_session(f"{SECRET}, in the background")
    run = (await ada.http.post(f"/sessions/{waiting}/runs", json={"message": SECRET})).json()["id"]
    assert (await ada.http.post("/me/export")).is_success
    user = (await ada.http.get("/auth/me")).json()["id"]
    return {
        "user_id": user,
        "session_id": session,
        "message_id": answer["message"]["id"],
        "run_id": run,
        "attachment_id": attachment,
        "interrupt_id": question,
        "checkpoint_id": checkpoint,
        "login_id": _another_login(user, database_url),
        "key_id": (await ada.http.post("/auth/api-keys", json={"name": SECRET, "scopes": ["read"]})).json()["id"],
        **await _webhook_with_a_delivery(ada, answer["run_id"], database_url),
        "memory_id": remember(database_url, f"{SECRET} is remembered.", email=email),
    }


def _another_login(user_id: str, database_url: str) -> str:
    add = """
        INSERT INTO login (id, user_id, refresh_hash, refreshed_at, created_at)
        VALUES (gen_random_uuid(), %s, sha256('x'), now(), now()) RETURNING id::text"""
    with psycopg.connect(database_url, autocommit=True) as connection:
        [(login,)] = connection.execute(add, [user_id]).fetchall()
    return str(login)


async def _webhook_with_a_delivery(ada: Visitor, run_id: str, database_url: str) -> dict[str, str]:
    webhook = (await ada.http.post("/webhooks", json={"url": f"https://example.com/{SECRET}"})).json()["id"]
    deliver = """
        INSERT INTO webhook_delivery (id, webhook_id, run_id, event, status, attempt, failures, tries, next_at, created_at)
        VALUES (gen_random_uuid(), %s, %s, 'run.completed', 'waiting', 0, 0, '[]', now(), now()) RETURNING id::text"""
    with psycopg.connect(database_url, autocommit=True) as connection:
        [(delivery,)] = connection.execute(deliver, [webhook, run_id]).fetchall()
    return {"webhook_id": webhook, "delivery_id": delivery}


async def seen_by(visitor: Visitor, routes: list[Route], things: Mapping[str, str], url: str) -> dict[str, Any]:
    """What every route answers that only reads, but for the quota: it counts the asking itself."""
    reading = [route for route in routes if route.method == "get" and not route.streams and route.path.startswith("/api/")]
    reading = [route for route in reading if not route.path.endswith("/quota")]
    answers = {str(route): await visitor.http.get(url + route.address(things)) for route in reading if not route.is_admin}
    refused = [name for name, answer in answers.items() if answer.status_code not in {httpx.codes.OK, httpx.codes.ACCEPTED}]
    assert refused == [], "The owner must be able to read these: the walk has put in a wrong id."
    return {name: answer.text for name, answer in answers.items()}


def rows(database_url: str) -> set[tuple[str, str]]:
    """Every row of every table of ours, as text: whatever is changed or deleted is no longer among them."""
    with psycopg.connect(database_url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        found: set[tuple[str, str]] = set()
        for (name,) in names:
            statement = sql.SQL("SELECT to_jsonb(it)::text FROM {} it").format(sql.Identifier(name))
            found.update((name, text) for (text,) in connection.execute(statement).fetchall())
    return found
