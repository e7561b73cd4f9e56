"""The table of judgements: what judges said of answers while the server was in use."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Numeric
from sqlmodel import SQLModel

from app.persistence.columns import MOMENT, column, now


class JudgementRow(SQLModel, table=True):
    __tablename__ = "judgement"
    __table_args__ = ({"comment": "What a model said of an answer that it judged: for each metric once"},)

    run_id: UUID = column("The run whose answer was judged", foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    metric: str = column("What it was judged for: a judge's name", primary_key=True, max_length=100)
    value: float | None = column("From 0 to 1, which is good; none where it could not be judged", default=None)
    error: str = column("Stable code of why it could not be judged; empty where it was", default="", max_length=64)
    judge: str = column("Name of the model that judged", max_length=200)
    cost_usd: Decimal | None = column("What it cost; none where that is not known", default=None, sa_type=Numeric)
    created_at: datetime = column("When it was judged (UTC)", default_factory=now, sa_type=MOMENT)
