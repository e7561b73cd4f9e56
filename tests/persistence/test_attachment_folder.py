"""What a process leaves in the folder of attachments that dies at the wrong moment does not stay there."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.attachment_folder import AttachmentFolder
from app.persistence.attachments import AttachmentTable
from app.persistence.database import Database, execute
from app.persistence.users import UserTable
from app.persistence.values import Attachment

CONTENT = b"The train leaves at noon."
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Place:
    """The folder, and who writes to it."""

    path: Path
    database: Database

    @property
    def folder(self) -> AttachmentFolder:
        return AttachmentFolder(self.database.pool, self.path)

    @property
    def table(self) -> AttachmentTable:
        return AttachmentTable(self.database.pool, self.path, in_folder=True, patience_seconds=5)

    async def keep(self, user: User, content: bytes = CONTENT) -> Attachment:
        name = sha256(content).hexdigest()
        attachment = Attachment(id=uuid7(), name="train.txt", media_type="text/plain", bytes=len(content), sha256=name)
        await self.table.add(user.id, attachment, content)
        return attachment

    def leave(self, user_id: UUID, content: bytes = CONTENT, *, name: str = "", days: float = 2) -> Path:
        """A file without a row, so old."""
        file = self.path / str(user_id) / (name or sha256(content).hexdigest())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        at = file.stat().st_mtime - days * DAY_SECONDS
        os.utime(file, (at, at))
        return file

    async def gone(self, user: User) -> None:
        await execute(self.database.pool, 'DELETE FROM "user" WHERE id = %(id)s', {"id": user.id})

    def names(self) -> Sequence[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(tmp_path / "attachments", database)


async def test_an_erasure_that_a_crash_has_cut_off_is_finished(place: Place, database: Database, user: User) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    bobs = await place.keep(bob)
    await place.keep(user)
    assert await place.folder.prepare(user.id) == 1
    await place.keep(user, b"More.")  # while the database is erased
    await place.gone(user)  # and here the process dies
    assert await place.folder.sweep(DAY_SECONDS) == 2
    assert place.names() == [f"{bob.id}/{bobs.sha256}"]
    assert await place.table.content(bob.id, bobs.id) == CONTENT


async def test_an_erasure_that_is_done_leaves_no_mark(place: Place, user: User) -> None:
    await place.keep(user)
    assert await place.folder.prepare(user.id) == 1
    await place.gone(user)
    assert await place.folder.erase(user.id) == 1
    assert [*place.path.iterdir()] == []


async def test_after_an_erasure_that_has_failed_the_user_keeps_what_they_send(place: Place, user: User) -> None:
    kept = await place.keep(user)
    await place.folder.prepare(user.id)
    assert await place.folder.sweep(DAY_SECONDS) == 0
    assert await place.folder.sweep(-1) == 0, "the mark goes, and no file that has its row"
    assert place.names() == [f"{user.id}/{kept.sha256}"]


async def test_the_folder_of_another_database_is_left_alone(place: Place) -> None:
    place.leave(uuid4())
    before = place.names()
    assert await place.folder.sweep(DAY_SECONDS) == 0
    assert place.names() == before


async def test_an_old_file_that_no_row_knows_is_deleted_and_nothing_else_is(place: Place, user: User) -> None:
    kept = await place.keep(user)
    os.utime(place.path / str(user.id) / kept.sha256, (0, 0))
    place.leave(user.id, b"unknown")
    half = place.leave(user.id, b"half wri", name="tmp1abcd")
    young = place.leave(user.id, b"just now", days=0)
    others = [place.path / "README", place.path / "no-id" / "file", place.leave(user.id, name="x" * 65)]
    for path in others[:2]:
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    assert await place.folder.sweep(DAY_SECONDS) == 2
    assert not half.exists()
    assert young.exists()
    assert all(path.exists() for path in others)
    assert await place.table.content(user.id, kept.id) == CONTENT


async def test_content_that_is_kept_while_its_file_is_swept_is_there(place: Place, user: User) -> None:
    for number in range(20):
        content = f"The train leaves at {number}.".encode()
        place.leave(user.id, content)
        kept, _swept = await asyncio.gather(place.keep(user, content), place.folder.sweep(DAY_SECONDS))
        assert await place.table.content(user.id, kept.id) == content


async def test_where_there_is_no_folder_there_is_nothing_to_do(place: Place, user: User) -> None:
    assert (await place.folder.prepare(user.id), await place.folder.sweep(0), await place.folder.erase(user.id)) == (0, 0, 0)
    assert not place.path.exists()
