"""Images and text files to send with messages."""

from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.api.deps import AttachmentsDep, CurrentTier, CurrentUser
from app.api.errors import problems
from app.api.v1.session_schemas import SentAttachment
from app.errors import AttachmentNotFound, AttachmentSpaceFull, UnsupportedMediaType

# Bodies may be larger here than elsewhere.
UPLOAD_PATH: Final = "/api/v1/attachments"

_upload: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
_file: Final[dict[str, Any]] = {
    "response_class": Response,
    "responses": {200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}, **problems(AttachmentNotFound)},
}
# Whatever a browser makes of it, it is no page of ours: it is saved and not shown, and could load and run nothing.
_HARMLESS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

router = APIRouter()

FileName = Annotated[str, Query(max_length=1_000, description="What the file is called")]


@router.post("", status_code=201, responses=problems(UnsupportedMediaType, AttachmentSpaceFull), openapi_extra=_upload)
async def upload_attachment(
    user: CurrentUser, tier: CurrentTier, attachments: AttachmentsDep, request: Request, name: FileName = ""
) -> SentAttachment:
    """Upload an image or a text file, the bytes as the body; what it is its content says, and not `Content-Type` or its name."""
    kept = await attachments.keep(user.id, name, await request.body(), most_bytes=tier.attachment_bytes)
    return SentAttachment.model_validate(kept, from_attributes=True)


@router.get("/{attachment_id}", **_file)
async def read_attachment(attachment_id: UUID, user: CurrentUser, attachments: AttachmentsDep) -> Response:
    """The file, as it was uploaded."""
    attachment, content = await attachments.read(user.id, attachment_id)
    disposition = f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}"
    return Response(content, media_type=attachment.media_type, headers={**_HARMLESS, "Content-Disposition": disposition})


@router.delete("/{attachment_id}", status_code=204, responses=problems(AttachmentNotFound))
async def delete_attachment(attachment_id: UUID, user: CurrentUser, attachments: AttachmentsDep) -> None:
    """Delete it, from the messages it was sent with too; the agent is told that it is gone."""
    await attachments.delete(user.id, attachment_id)
