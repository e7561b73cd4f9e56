"""Attachments: what was sent with messages, each content once for each user, in the database or in a folder."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import DictRow, class_row, dict_row

from app.errors import AttachmentSpaceFull
from app.persistence.database import Pool, database_errors, patiently
from app.persistence.values import Attachment

_MOST_FORGOTTEN: Final = 500
_ALL_BYTES: Final = 2**31 - 1
_COLUMNS: Final = "attachment.id, attachment.name, attachment.media_type, attachment.bytes, attachment.sha256"

# Written to in any case, for that locks the row: who drops what nobody has looks again once it holds it.
_KEEP_BLOB: Final = """
INSERT INTO attachment_blob (user_id, sha256, content) VALUES (%(user_id)s, %(sha256)s, %(content)b)
ON CONFLICT (user_id, sha256) DO UPDATE SET content = coalesce(attachment_blob.content, excluded.content)
"""
_ADD: Final = """
INSERT INTO attachment (id, user_id, sha256, name, media_type, bytes, created_at)
VALUES (%(id)s, %(user_id)s, %(sha256)s, %(name)s, %(media_type)s, %(bytes)s, now())
"""
# Each content once. Whoever uploads at the same moment waits for the user's row.
_LOCK_USER: Final = 'SELECT FROM "user" WHERE id = %(user_id)s FOR NO KEY UPDATE'
_FILLED: Final = """
SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM (SELECT DISTINCT sha256, bytes FROM attachment WHERE user_id = %(user_id)s) AS kept
 WHERE sha256 <> %(sha256)s
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM attachment WHERE user_id = %(user_id)s AND id = ANY(%(ids)s)"
_CONTENT: Final = """
SELECT sha256, substring(content FOR %(most_bytes)s::integer) AS content FROM attachment JOIN attachment_blob USING (user_id, sha256)
 WHERE attachment.user_id = %(user_id)s AND attachment.id = %(id)s
"""
_DELETE: Final = "DELETE FROM attachment WHERE user_id = %(user_id)s AND id = %(id)s"

# Found and locked, then looked at again: a message that has it by then was committed in between.
_UNSENT_SQL: Final = "NOT EXISTS (SELECT FROM message_attachment WHERE message_attachment.attachment_id = attachment.id)"
_LOCK_UNSENT: Final = f"""
SELECT id FROM attachment WHERE created_at < now() - make_interval(secs => %(seconds)s) AND {_UNSENT_SQL}
 LIMIT {_MOST_FORGOTTEN} FOR UPDATE SKIP LOCKED
"""
_FORGET: Final = f"DELETE FROM attachment WHERE id = ANY(%(ids)s) AND {_UNSENT_SQL}"
_UNUSED_SQL: Final = "NOT EXISTS (SELECT FROM attachment WHERE attachment.user_id = blob.user_id AND attachment.sha256 = blob.sha256)"
_LOCK_UNUSED: Final = f"""
SELECT user_id, sha256 FROM attachment_blob AS blob WHERE (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s) AND {_UNUSED_SQL}
 LIMIT {_MOST_FORGOTTEN} FOR UPDATE SKIP LOCKED
"""
_DROP: Final = f"""
DELETE FROM attachment_blob AS blob USING unnest(%(users)s::uuid[], %(hashes)s::text[]) AS found (user_id, sha256)
 WHERE blob.user_id = found.user_id AND blob.sha256 = found.sha256 AND {_UNUSED_SQL}
RETURNING blob.user_id, blob.sha256
"""

log = structlog.get_logger()

type _Connection = psycopg.AsyncConnection[DictRow]


class AttachmentTable:
    """New content goes to the `folder` if it is to be kept `in_folder`; what is there already is found wherever it is."""

    def __init__(self, pool: Pool, folder: Path, *, in_folder: bool, patience_seconds: float) -> None:
        self._pool = pool
        self._folder = folder
        self._in_folder = in_folder
        self._patience_seconds = patience_seconds

    async def add(self, user_id: UUID, attachment: Attachment, content: bytes, most_bytes: int | None = None) -> bool:
        """Keep it; False when the user is gone. Of two at once with the same content the second waits for the first.

        Raise AttachmentSpaceFull when all contents of the user's would have more than so many bytes.
        """
        values = {"user_id": user_id, "sha256": attachment.sha256, "content": None if self._in_folder else content}
        row = {"id": attachment.id, "name": attachment.name, "media_type": attachment.media_type, "bytes": attachment.bytes}
        with database_errors(), suppress(psycopg.errors.ForeignKeyViolation):
            async with self._pool.connection() as connection, connection.transaction():
                if most_bytes is not None:
                    await connection.execute(_LOCK_USER, values)
                    filled = await (await connection.execute(_FILLED, values)).fetchone()
                    if filled and filled["bytes"] + len(content) > most_bytes:
                        raise AttachmentSpaceFull(f"Your attachments may have {most_bytes:,} bytes in all, and have {filled['bytes']:,}.")
                await connection.execute(_KEEP_BLOB, values)  # from here on the user cannot be erased
                if self._in_folder:
                    await asyncio.to_thread(_write, self._file(user_id, attachment.sha256), content)
                await connection.execute(_ADD, {**row, "user_id": user_id, "sha256": attachment.sha256})
            return True
        return False

    async def find(self, user_id: UUID, ids: Sequence[UUID]) -> Sequence[Attachment]:
        """Those of the user's that there are, in the order of the ids."""
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Attachment)) as cursor:
                await cursor.execute(_FIND, {"user_id": user_id, "ids": [*ids]})
                found = {attachment.id: attachment for attachment in await cursor.fetchall()}
        return [found[one] for one in ids if one in found]

    async def content(self, user_id: UUID, attachment_id: UUID, most_bytes: int | None = None) -> bytes | None:
        """The bytes, or the first so many; None when the user has no such attachment.

        A database that is away is waited for, so that a run goes on.
        """
        return await patiently(self._patience_seconds, partial(self._content, user_id, attachment_id, most_bytes or _ALL_BYTES))

    async def delete(self, user_id: UUID, attachment_id: UUID) -> bool:
        """Delete it, from the messages it was sent with too; False when the user has no such attachment."""
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                deleted = await connection.execute(_DELETE, {"user_id": user_id, "id": attachment_id})
                await self._drop_unused(connection, user_id)
                return bool(deleted.rowcount)

    async def forget_unsent(self, older_than_seconds: float) -> int:
        """Delete those that no message has, older than this, and content that nobody refers to; return how many, some hundreds at most."""
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                found = await (await connection.execute(_LOCK_UNSENT, {"seconds": older_than_seconds})).fetchall()
                forgotten = await connection.execute(_FORGET, {"ids": [row["id"] for row in found]})
                await self._drop_unused(connection, None)
                return forgotten.rowcount

    async def _content(self, user_id: UUID, attachment_id: UUID, most_bytes: int) -> bytes | None:
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(binary=True, row_factory=dict_row) as cursor:
                await cursor.execute(_CONTENT, {"user_id": user_id, "id": attachment_id, "most_bytes": most_bytes})
                row = await cursor.fetchone()
        if row is None:
            return None
        if row["content"] is not None:
            return bytes(row["content"])
        return await asyncio.to_thread(_read, self._file(user_id, row["sha256"]), most_bytes)

    async def _drop_unused(self, connection: _Connection, user_id: UUID | None) -> None:
        """Files before the end of the transaction: who keeps the same content anew waits for that, and then writes its file."""
        found = await (await connection.execute(_LOCK_UNUSED, {"user_id": user_id})).fetchall()
        values: dict[str, Any] = {"users": [row["user_id"] for row in found], "hashes": [row["sha256"] for row in found]}
        for row in await (await connection.execute(_DROP, values)).fetchall():
            await asyncio.to_thread(self._file(row["user_id"], row["sha256"]).unlink, missing_ok=True)

    def _file(self, user_id: UUID, sha256: str) -> Path:
        return self._folder / str(user_id) / sha256


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, and for nobody else's eyes."""
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(file: Path, most_bytes: int) -> bytes | None:
    try:
        with file.open("rb") as content:
            return content.read(most_bytes)
    except FileNotFoundError:
        log.error("attachment_file_missing")  # noqa: TRY400  # the frames say nothing more
        return None
