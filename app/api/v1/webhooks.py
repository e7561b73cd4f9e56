"""Webhooks: addresses of one's own that are told when runs end."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.deps import ActorDep, CurrentUser, WebhooksDep
from app.api.errors import problems
from app.api.v1.webhook_schemas import (
    DeliveryOut,
    DeliveryPage,
    MadeWebhook,
    NewWebhook,
    SecretOut,
    WebhookOut,
    WebhookPatch,
    statuses_of,
    told,
)
from app.errors import DeliveryNotFound, SessionNotFound, TooManyWebhooks, WebhookIsOff, WebhookNotFound, WebhooksOff
from app.persistence.webhook_values import WebhookChange
from app.runs.webhooks import WebhookAsk

router = APIRouter()

_not_found = problems(WebhookNotFound)


@router.post("", status_code=201, responses=problems(TooManyWebhooks, SessionNotFound, WebhooksOff))
async def create_webhook(new: NewWebhook, user: CurrentUser, actor: ActorDep, webhooks: WebhooksDep) -> MadeWebhook:
    """Have an address told when runs end, of all sessions or of one; the answer has the secret that signs, which is not shown again."""
    ask = WebhookAsk(url=new.url, statuses=statuses_of(new.events), session_id=new.session_id, include_message=new.include_message)
    made, secret = await webhooks.add(user.id, ask, actor)
    return MadeWebhook.model_validate({**told(made), "secret": secret})


@router.get("")
async def list_webhooks(user: CurrentUser, webhooks: WebhooksDep) -> list[WebhookOut]:
    """One's own, in the order they were made."""
    return [WebhookOut.model_validate(told(webhook)) for webhook in await webhooks.all(user.id)]


@router.get("/{webhook_id}", responses=_not_found)
async def read_webhook(webhook_id: UUID, user: CurrentUser, webhooks: WebhooksDep) -> WebhookOut:
    return WebhookOut.model_validate(told(await webhooks.find(user.id, webhook_id)))


@router.patch("/{webhook_id}", responses=_not_found)
async def change_webhook(webhook_id: UUID, patch: WebhookPatch, user: CurrentUser, actor: ActorDep, webhooks: WebhooksDep) -> WebhookOut:
    """Change where and what it is told, or switch it off and on; one that was switched off for failing begins anew."""
    statuses = None if patch.events is None else statuses_of(patch.events)
    change = WebhookChange(url=patch.url, statuses=statuses, include_message=patch.include_message, is_on=patch.is_on)
    return WebhookOut.model_validate(told(await webhooks.change(user.id, webhook_id, change, actor)))


@router.delete("/{webhook_id}", status_code=204, responses=_not_found)
async def delete_webhook(webhook_id: UUID, user: CurrentUser, actor: ActorDep, webhooks: WebhooksDep) -> None:
    """Delete it with its log; what waits to be delivered is not."""
    await webhooks.delete(user.id, webhook_id, actor)


@router.post("/{webhook_id}/secret", responses=problems(WebhookNotFound, WebhooksOff))
async def roll_secret(webhook_id: UUID, user: CurrentUser, actor: ActorDep, webhooks: WebhooksDep) -> SecretOut:
    """Make another secret; for WEBHOOK_OLD_SECRET_HOURS the one before signs too, so that a receiver can change over."""
    return SecretOut(secret=await webhooks.roll(user.id, webhook_id, actor))


@router.get("/{webhook_id}/deliveries", responses=_not_found)
async def list_deliveries(
    webhook_id: UUID,
    user: CurrentUser,
    webhooks: WebhooksDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Most items of a page")] = 20,
    before: Annotated[UUID | None, Query(description="`next_before` of the page before")] = None,
) -> DeliveryPage:
    """What was delivered or tried, the newest first, for WEBHOOK_LOG_DAYS."""
    found = await webhooks.deliveries(user.id, webhook_id, limit=limit, before=before)
    items = [DeliveryOut.model_validate(delivery, from_attributes=True) for delivery in found]
    return DeliveryPage(items=items, next_before=items[-1].id if len(items) == limit else None)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, responses=problems(DeliveryNotFound, WebhookIsOff))
async def redeliver(webhook_id: UUID, delivery_id: UUID, user: CurrentUser, webhooks: WebhooksDep) -> DeliveryOut:
    """Deliver it once more, or now instead of later, under the same id; nothing changes for one that is being tried."""
    return DeliveryOut.model_validate(await webhooks.redeliver(user.id, webhook_id, delivery_id), from_attributes=True)
