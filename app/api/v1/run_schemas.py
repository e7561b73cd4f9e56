"""What runs answer."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.persistence.values import RunStatus


class RunOut(BaseModel):
    """`message_id` is the answer in the transcript, `asked_id` the message that set the run off; a run that goes on after questions
    has none. `config_version` is that of the session's `config` which it used. `parent_id` is the run before it. `cost_usd` is None where
    the model's price is not known.
    """

    id: UUID
    session_id: UUID
    status: RunStatus
    attempt: int
    model: str
    config_version: int
    parent_id: UUID | None
    asked_id: UUID | None
    message_id: UUID
    error_code: str | None
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost_usd: float | None
    created_at: datetime
    started_at: datetime | None
    first_token_at: datetime | None
    finished_at: datetime | None
