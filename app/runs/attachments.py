"""Attachments: images and text files that users send with messages."""

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from app.errors import AttachmentNotFound, BodyTooLarge, InvalidInput, NotAuthenticated, UnsupportedMediaType
from app.persistence.values import Attachment
from app.runs.media_types import media_type_of, why_none_of_ours
from app.settings import AttachmentSettings

_MAX_NAME: Final = 200
_UNTOLD: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNNAMED: Final = "attachment"

log = structlog.get_logger()


class AttachmentStore(Protocol):
    async def add(self, user_id: UUID, attachment: Attachment, content: bytes, most_bytes: int | None) -> bool: ...
    async def find(self, user_id: UUID, ids: Sequence[UUID]) -> Sequence[Attachment]: ...
    async def content(self, user_id: UUID, attachment_id: UUID) -> bytes | None: ...
    async def delete(self, user_id: UUID, attachment_id: UUID) -> bool: ...


class ForgettingStore(Protocol):
    async def forget_unsent(self, older_than_seconds: float) -> int: ...


class Folder(Protocol):
    async def sweep(self, older_than_seconds: float) -> int: ...


class Attachments:
    def __init__(self, store: AttachmentStore, settings: AttachmentSettings) -> None:
        self._store = store
        self._settings = settings

    async def keep(self, user_id: UUID, name: str, content: bytes, *, most_bytes: int | None = None) -> Attachment:
        """Keep what a user uploads, of whose attachments so many bytes are kept at the most.

        Raise InvalidInput, BodyTooLarge, UnsupportedMediaType, AttachmentSpaceFull, or NotAuthenticated for one just gone.
        """
        if not content:
            raise InvalidInput("An attachment must not be empty.")
        if len(content) > self._settings.max_bytes:
            raise BodyTooLarge(f"An attachment may have {self._settings.max_bytes} bytes.")
        # In a thread, for ten megabytes take some tens of milliseconds.
        attachment = await asyncio.to_thread(_looked_at, _plain(name), content)
        if not await self._store.add(user_id, attachment, content, most_bytes):
            raise NotAuthenticated
        return attachment

    async def find(self, user_id: UUID, ids: Sequence[UUID]) -> Sequence[Attachment]:
        """Those with these ids, each once; raise AttachmentNotFound if one is missing or somebody else's."""
        wanted = [*dict.fromkeys(ids)]
        found = await self._store.find(user_id, wanted) if wanted else ()
        if len(found) < len(wanted):
            raise AttachmentNotFound
        return found

    async def read(self, user_id: UUID, attachment_id: UUID) -> tuple[Attachment, bytes]:
        """Raise AttachmentNotFound, for somebody else's too."""
        [attachment] = await self.find(user_id, [attachment_id])
        if (content := await self._store.content(user_id, attachment_id)) is None:
            raise AttachmentNotFound
        return attachment, content

    async def delete(self, user_id: UUID, attachment_id: UUID) -> None:
        """Delete it, from the messages it was sent with too; raise AttachmentNotFound."""
        if not await self._store.delete(user_id, attachment_id):
            raise AttachmentNotFound


async def forget_unsent(store: ForgettingStore, older_than_seconds: float) -> None:
    if forgotten := await store.forget_unsent(older_than_seconds):
        log.info("attachments_forgotten", attachments=forgotten)


async def sweep_folder(folder: Folder, older_than_seconds: float) -> None:
    if files := await folder.sweep(older_than_seconds):
        log.info("attachment_folder_swept", files=files)


def _looked_at(name: str, content: bytes) -> Attachment:
    if (media_type := media_type_of(content, name)) is None:
        raise UnsupportedMediaType(f"Only images (PNG, JPEG, GIF, WebP) and text files can be attached; {why_none_of_ours(content, name)}.")
    return Attachment(id=uuid7(), name=name, media_type=media_type, bytes=len(content), sha256=sha256(content).hexdigest())


def _plain(name: str) -> str:
    """The file's own name, without folders and what cannot be shown."""
    own = _UNTOLD.sub("", re.split(r"[/\\]", name)[-1]).strip()[:_MAX_NAME]
    # Of dots or of signs without a shape alone it would be no name: "." and ".." are folders.
    return own if any(sign.isprintable() and sign not in ". " for sign in own) else _UNNAMED
