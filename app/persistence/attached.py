"""Which attachments a message has, as part of statements about messages."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.persistence.values import Attachment


def attachments_sql(message_id: str) -> str:
    """An expression: the attachments of a message as a JSON list in their order, empty if it has none."""
    return f"""(SELECT coalesce(jsonb_agg(jsonb_build_object('id', sent.id, 'name', sent.name, 'media_type', sent.media_type,
        'bytes', sent.bytes, 'sha256', sent.sha256) ORDER BY place), '[]')
  FROM message_attachment JOIN attachment AS sent ON sent.id = attachment_id WHERE message_attachment.message_id = {message_id})"""


def attachments_of(listed: Sequence[Mapping[str, Any]]) -> Sequence[Attachment]:
    return [Attachment(**{**one, "id": UUID(one["id"])}) for one in listed]
