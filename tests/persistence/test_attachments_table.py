"""Attachments at rest: once for each user and content, and gone when nobody has them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.attachment_folder import AttachmentFolder
from app.persistence.attachments import AttachmentTable
from app.persistence.database import Database, execute, fetch_all
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import Attachment, Session
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import Process, claimed

CONTENT = b"The train leaves at noon."
_SENT = "INSERT INTO message_attachment (message_id, place, attachment_id) VALUES (%s, 1, %s)"


@pytest.fixture(params=["database", "folder"])
def attachments(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> AttachmentTable:
    return AttachmentTable(database.pool, tmp_path / "attachments", in_folder=request.param == "folder", patience_seconds=5)


def _attachment(content: bytes = CONTENT) -> Attachment:
    return Attachment(id=uuid7(), name="train.txt", media_type="text/plain", bytes=len(content), sha256=sha256(content).hexdigest())


async def _kept(attachments: AttachmentTable, user: User, content: bytes = CONTENT) -> Attachment:
    attachment = _attachment(content)
    await attachments.add(user.id, attachment, content)
    return attachment


async def _blobs(database: Database) -> Sequence[dict[str, Any]]:
    return await fetch_all(database.pool, "SELECT sha256, content FROM attachment_blob", {})


def _files(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "attachments").rglob("*") if file.is_file()]


async def test_the_same_content_at_once_is_kept_once_and_each_can_be_read(
    attachments: AttachmentTable, database: Database, user: User, tmp_path: Path
) -> None:
    kept = await asyncio.gather(*(_kept(attachments, user) for _ in range(4)))
    assert [await attachments.content(user.id, one.id) for one in kept] == [CONTENT] * 4
    [blob] = await _blobs(database)
    assert (blob["content"] is None) == (_files(tmp_path) == [blob["sha256"]])
    assert await attachments.find(user.id, [kept[2].id, uuid4(), kept[0].id]) == [kept[2], kept[0]]
    assert await attachments.find(uuid4(), [kept[0].id]) == []
    assert await attachments.content(uuid4(), kept[0].id) is None
    assert await attachments.content(user.id, kept[0].id, 9) == CONTENT[:9]


async def test_content_goes_with_the_last_attachment_that_has_it(
    attachments: AttachmentTable, database: Database, user: User, tmp_path: Path
) -> None:
    first, second = await _kept(attachments, user), await _kept(attachments, user)
    assert not await attachments.delete(uuid4(), first.id)
    assert await attachments.delete(user.id, first.id)
    assert await attachments.content(user.id, second.id) == CONTENT
    assert await attachments.delete(user.id, second.id)
    assert (await _blobs(database), _files(tmp_path)) == ([], [])


async def test_keeping_and_deleting_the_same_content_at_once_loses_nothing(attachments: AttachmentTable, user: User) -> None:
    latest = await _kept(attachments, user)
    for _ in range(10):
        added, _gone = await asyncio.gather(_kept(attachments, user), attachments.delete(user.id, latest.id))
        assert await attachments.content(user.id, added.id) == CONTENT
        latest = added


async def test_what_no_message_has_is_forgotten_in_time_and_what_is_sent_is_not(
    attachments: AttachmentTable, here: Process, user: User, session: Session, tmp_path: Path
) -> None:
    database = here.database
    old, fresh, sent = [await _kept(attachments, user, content) for content in (b"old", b"fresh", b"sent")]
    await claimed(here, user, session, attachments=[sent])
    values = {"ids": [old.id, sent.id]}
    await execute(database.pool, "UPDATE attachment SET created_at = now() - interval '2 hours' WHERE id = ANY(%(ids)s)", values)
    assert await attachments.forget_unsent(3600) == 1
    assert [await attachments.content(user.id, one.id) for one in (old, fresh, sent)] == [None, b"fresh", b"sent"]
    await SessionTable(database).delete(session.id)
    assert await attachments.find(user.id, [sent.id]) == [], "it goes with its session"
    assert await attachments.forget_unsent(3600) == 0
    assert [blob["sha256"] for blob in await _blobs(database)] == [fresh.sha256]
    assert _files(tmp_path) in ([], [fresh.sha256])


@pytest.mark.parametrize("how", ["delete", "clear"])
async def test_what_another_sessions_message_has_too_stays_with_it(
    attachments: AttachmentTable, here: Process, user: User, session: Session, how: str
) -> None:
    sessions = SessionTable(here.database)
    shared, other = await _kept(attachments, user), await sessions.add(user.id, "")
    for one in (session, other):
        await claimed(here, user, one, attachments=[shared])
    await (sessions.delete(session.id) if how == "delete" else sessions.clear(session.id))
    [message] = await sessions.transcript(other.id, limit=10, before=None)
    assert [one["id"] for one in message.attachments] == [str(shared.id)]
    assert await attachments.content(user.id, shared.id) == CONTENT


async def test_what_another_sessions_message_is_about_to_have_stays_with_it(
    attachments: AttachmentTable, here: Process, user: User, session: Session, database_url: str
) -> None:
    sessions = SessionTable(here.database)
    shared, other = await _kept(attachments, user), await sessions.add(user.id, "")
    await claimed(here, user, session, attachments=[shared])
    run = await claimed(here, user, other)
    async with await psycopg.AsyncConnection.connect(database_url) as sending, asyncio.TaskGroup() as tasks:
        await sending.execute(_SENT, [run.asked_id, shared.id])
        tasks.create_task(sessions.delete(session.id))
        await once(until_waiting(database_url, 1))
        await sending.commit()
    assert await sessions.read(user.id, session.id) is None
    assert await attachments.content(user.id, shared.id) == CONTENT


async def test_a_message_has_only_its_users_attachments_and_in_their_order(
    attachments: AttachmentTable, database: Database, here: Process, user: User, session: Session
) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    first, second, bobs = await _kept(attachments, user, b"1"), await _kept(attachments, user, b"2"), await _kept(attachments, bob)
    await claimed(here, user, session, attachments=[second, replace(bobs), first])
    [message] = await SessionTable(database).transcript(session.id, limit=10, before=None)
    assert [one["id"] for one in message.attachments] == [str(second.id), str(first.id)]


async def test_erasing_leaves_nothing_of_this_user(
    attachments: AttachmentTable, here: Process, user: User, session: Session, tmp_path: Path
) -> None:
    database = here.database
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    bobs = await _kept(attachments, bob)
    await claimed(here, user, session, attachments=[await _kept(attachments, user), await _kept(attachments, user, b"more")])
    files = len(_files(tmp_path))
    folder = AttachmentFolder(database.pool, tmp_path / "attachments")
    assert await folder.prepare(user.id) == max(0, files - 1)
    await execute(database.pool, 'DELETE FROM "user" WHERE id = %(id)s', {"id": user.id})
    assert await folder.erase(user.id) == max(0, files - 1)
    assert [row["id"] for row in await fetch_all(database.pool, "SELECT id FROM attachment", {})] == [bobs.id]
    assert await attachments.content(bob.id, bobs.id) == CONTENT
    assert _files(tmp_path) in ([], [bobs.sha256])


async def test_what_a_user_sends_who_has_just_gone_is_kept_nowhere(
    attachments: AttachmentTable, database: Database, user: User, tmp_path: Path
) -> None:
    await execute(database.pool, 'DELETE FROM "user" WHERE id = %(id)s', {"id": user.id})
    assert not await attachments.add(user.id, _attachment(), CONTENT)
    assert _files(tmp_path) == []
