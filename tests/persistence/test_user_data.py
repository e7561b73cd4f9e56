"""What an export is made of: all of one user's, and nothing of another's."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

from app.accounts.exports import Exports
from app.persistence.accounts import Origin, User
from app.persistence.api_keys import ApiKeyTable, NewApiKey
from app.persistence.attachments import AttachmentTable
from app.persistence.audit import Actor
from app.persistence.configured import Held
from app.persistence.credentials import Caller, Scope
from app.persistence.database import Database, execute, fetch_all
from app.persistence.deliveries import DeliveryTable
from app.persistence.exports import ExportTable
from app.persistence.feedback import FeedbackTable
from app.persistence.identities import IdentityTable
from app.persistence.judgements import JudgementTable, Verdict
from app.persistence.logins import LoginTable, Opening
from app.persistence.sessions import SessionTable
from app.persistence.spending import LedgerCall
from app.persistence.user_data import FILES, UserData
from app.persistence.users import UserTable
from app.persistence.values import Attachment
from tests.persistence.memories import remember
from tests.persistence.rows import Process, asking, claimed, finished
from tests.persistence.webhooks import webhook


async def _live(here: Process, user: User, folder: Path) -> None:
    """Have something of everything."""
    session = await SessionTable(here.database).add(user.id, "", Held(config={"temperature": 0.1}))
    sent = Attachment(id=uuid7(), name="a.txt", media_type="text/plain", bytes=1, sha256="a" * 64)
    await AttachmentTable(here.database.pool, folder, in_folder=False, patience_seconds=1).add(user.id, sent, b"a")
    run = await claimed(here, user, session, attachments=[sent])
    step = {"agent": "a", "node": "b", "namespace": "c", "status": "done", "title": "Looked for Ada", "content": {}}
    assert await here.runs.finish(finished(run, calls=[_call()], steps=[step]))
    await webhook(here.database, user)
    await DeliveryTable(here.database.pool).announce(run.id)
    assert await FeedbackTable(here.database.pool).keep(user.id, run.message_id, 1, "Good.")
    verdict = Verdict(metric="helpfulness", value=0.5, error="", judge="stub", cost_usd=0.01)
    assert await JudgementTable(here.database.pool).keep(run.id, verdict)
    assert await here.runs.finish(asking(await claimed(here, user, session), "which"))
    await remember(here.database, user, "Lives in Oslo")
    logins, login_id = LoginTable(here.database.pool, login_days=1, idle_days=1, grace_seconds=0), uuid7()
    assert await logins.open(Opening(user_id=user.id, login_id=login_id, refresh_hash=b"x"), Origin(address="127.0.0.1", user_agent=None))
    caller = Caller(user=user, login_id=login_id, by_page=False, logged_in_at=None, key_id=None, scopes=None)
    actor = Actor(user_id=user.id, address=None)
    key = NewApiKey(name="Report", start="mp_abcde", hash=uuid7().bytes, scopes=[Scope.READ], expires_at=None)
    assert await ApiKeyTable(here.database.pool).add(caller, key, most=1, actor=actor)
    counted = "INSERT INTO quota VALUES (%(user_id)s, now(), 1, 1, 0, 1, 1, 0)"
    assert await execute(here.database.pool, counted, {"user_id": user.id})
    identities = IdentityTable(here.database.pool)
    await identities.propose("https://accounts.example.com", str(user.id), user.email, b"secret")
    await identities.confirm(b"secret", actor)


def _call() -> LedgerCall:
    return LedgerCall(
        id=uuid7(),
        model="stub",
        purpose="answer",
        input_tokens=1,
        output_tokens=1,
        cached_tokens=0,
        reasoning_tokens=0,
        cost_usd=None,
        latency_ms=1,
        first_token_ms=None,
        from_cache=False,
        error_code=None,
        created_at=datetime.now(UTC),
    )


async def _rows(database: Database, user_id: UUID) -> dict[str, int]:
    counts: dict[str, int] = {}
    async for name, lines in UserData(database.pool).read(user_id):
        counts[name] = counts.get(name, 0) + len(lines)
    return counts


async def test_every_file_has_what_is_the_users_and_nothing_that_is_not(
    database: Database, here: Process, user: User, tmp_path: Path
) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    await _live(here, bob, tmp_path)
    assert await _rows(database, user.id) == {**dict.fromkeys(FILES, 0), "profile": 1}
    assert all((await _rows(database, bob.id)).values())


async def test_the_steps_of_an_answer_are_in_the_export(database: Database, here: Process, user: User, tmp_path: Path) -> None:
    await _live(here, user, tmp_path)
    lines = [json.loads(line) async for name, lines in UserData(database.pool).read(user.id) if name == "transcripts" for line in lines]
    assert [[step["title"] for step in line["steps"]] for line in lines] == [[], ["Looked for Ada"], [], []]


async def test_an_export_that_was_never_whole_makes_room_for_another_after_an_hour(database: Database, user: User) -> None:
    table = ExportTable(database.pool)
    first = await table.ask(user.id)
    assert first
    for minutes, is_same in ((59, True), (61, False)):
        since = "UPDATE export SET created_at = now() - make_interval(mins => %(minutes)s)"
        await execute(database.pool, since, {"minutes": minutes})
        again = await table.ask(user.id)
        assert again
        assert (again.id == first.id) is is_same


async def test_an_export_that_finds_another_being_made_takes_no_place_among_the_jobs(
    database: Database, user: User, tmp_path: Path
) -> None:
    table, begun, over = ExportTable(database.pool), asyncio.Event(), asyncio.Event()

    class Slow:
        async def read(self, _user_id: UUID) -> AsyncGenerator[tuple[str, Sequence[str]]]:
            begun.set()
            await over.wait()
            yield "profile", []

    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    attachments = AttachmentTable(database.pool, tmp_path, in_folder=False, patience_seconds=1)
    exports = Exports(table, Slow(), attachments)
    first, second = await exports.ask(user.id), await exports.ask(bob.id)
    making = asyncio.create_task(exports.make(first.id))
    await begun.wait()
    await asyncio.wait_for(exports.make(second.id), timeout=20)
    over.set()
    await making
    jobs = await fetch_all(
        database.pool, "SELECT args ->> 'export_id' AS id, scheduled_at > now() AS later FROM procrastinate_jobs ORDER BY id", {}
    )
    assert [(UUID(job["id"]), job["later"]) for job in jobs] == [(first.id, None), (second.id, None), (second.id, True)]
    assert (await exports.find(user.id)).bytes
    assert (await exports.find(bob.id)).bytes is None
