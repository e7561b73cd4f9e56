"""What runs answer."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.persistence.values import RunStatus


class RunOut(BaseModel):
    """`message_id` is the answer in the transcript, `asked_id` the message that set the run off."""

    id: UUID
    session_id: UUID
    status: RunStatus
    attempt: int
    model: str
    asked_id: UUID
    message_id: UUID
    error_code: str | None
    input_tokens: int
    output_tokens: int
    created_at: datetime
    finished_at: datetime | None
