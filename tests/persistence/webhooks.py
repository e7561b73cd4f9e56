"""A webhook in the table."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.audit import Actor
from app.persistence.database import Database
from app.persistence.webhook_values import NewWebhook, Seed
from app.persistence.webhooks import WebhookTable


async def webhook(database: Database, user: User, **changes: Any) -> UUID:
    new = NewWebhook(
        id=uuid7(),
        user_id=user.id,
        url="https://example.com/",
        statuses=["completed", "failed"],
        session_id=None,
        include_message=False,
        seed=Seed(salt=b"s" * 32, key_name="k"),
    )
    assert await WebhookTable(database.pool).add(replace(new, **changes), 10, Actor(user_id=user.id, address=None))
    return new.id
