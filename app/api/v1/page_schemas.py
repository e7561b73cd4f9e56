"""What the page asks and is told."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.accounts.passwords import MAX_LENGTH
from app.api.v1.auth_schemas import UserOut


class PageLogin(BaseModel):
    """As it was typed: what is no address, or no good password, is simply nobody's."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, Field(max_length=320, examples=["ada@example.com"])]
    password: Annotated[str, Field(max_length=MAX_LENGTH, examples=["Analytical-1"])]


class OtherWayIn(BaseModel):
    """An account elsewhere that logs in here; a browser goes to `url`."""

    name: str
    url: str


class PageOut(BaseModel):
    """Without mail there is no link to a new password, for anybody."""

    user: UserOut | None
    providers: Sequence[OtherWayIn]
    sends_mail: bool
