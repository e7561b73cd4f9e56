"""One message of a transcript."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import CurrentUser, FeedbackDep
from app.api.errors import problems
from app.api.v1.text import SOUND
from app.errors import MessageNotFound

router = APIRouter()


class GivenFeedback(BaseModel):
    model_config = ConfigDict(extra="forbid")

    score: Annotated[Literal[-1, 1], Field(description="1 for a good answer, -1 for a bad one", examples=[1])]
    comment: Annotated[str, Field(max_length=2000, examples=["Just what I needed."]), SOUND] = ""


@router.post("/{message_id}/feedback", status_code=204, responses=problems(MessageNotFound))
async def give_feedback(message_id: UUID, given: GivenFeedback, user: CurrentUser, feedback: FeedbackDep) -> None:
    """Say what one thinks of an answer of one's own; saying it again takes the place of what was said before."""
    await feedback.give(user.id, message_id, given.score, given.comment)
