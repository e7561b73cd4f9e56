"""What the columns of all tables have in common."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel

METADATA: Final = SQLModel.metadata
MOMENT: Final[Any] = DateTime(timezone=True)  # sqlmodel's overloads want a class where an instance serves


def now() -> datetime:
    return datetime.now(UTC)


def column(comment: str, **options: Any) -> Any:  # noqa: ANN401  # what sqlmodel's Field takes and gives
    return Field(sa_column_kwargs={"comment": comment}, **options)
