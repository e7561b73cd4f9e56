"""What a user says of their webhooks: which addresses are told of which ends of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from app.errors import DeliveryNotFound, InvalidInput, SessionNotFound, TooManyWebhooks, WebhookIsOff, WebhookNotFound, WebhooksOff
from app.internet import WebError
from app.persistence.audit import Actor
from app.persistence.webhook_values import Delivery, NewWebhook, Seed, Webhook, WebhookChange
from app.runs.signing import Secrets
from app.settings import WebhookSettings


class WebhookStore(Protocol):
    async def add(self, new: NewWebhook, most: int, actor: Actor) -> Webhook | None: ...
    async def owns_session(self, user_id: UUID, session_id: UUID) -> bool: ...
    async def all(self, user_id: UUID) -> Sequence[Webhook]: ...
    async def find(self, user_id: UUID, webhook_id: UUID) -> Webhook | None: ...
    async def change(self, user_id: UUID, webhook_id: UUID, change: WebhookChange, actor: Actor) -> Webhook | None: ...
    async def roll(self, user_id: UUID, webhook_id: UUID, seed: Seed, hours: int, actor: Actor) -> bool: ...
    async def delete(self, user_id: UUID, webhook_id: UUID, actor: Actor) -> bool: ...


class DeliveryLog(Protocol):
    async def page(self, user_id: UUID, webhook_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Delivery]: ...
    async def again(self, user_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery | None: ...


class Guard(Protocol):
    async def look(self, url: str) -> None:
        """Raise WebError for an address that would be refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAsk:
    """What a user asks for."""

    url: str
    statuses: Sequence[str]
    session_id: UUID | None
    include_message: bool


class Webhooks:
    def __init__(self, store: WebhookStore, deliveries: DeliveryLog, guard: Guard, secrets: Secrets, settings: WebhookSettings) -> None:
        self._store = store
        self._deliveries = deliveries
        self._guard = guard
        self._secrets = secrets
        self._settings = settings

    async def add(self, user_id: UUID, ask: WebhookAsk, actor: Actor) -> tuple[Webhook, str]:
        """Return it with its secret, which is told this once; raise WebhooksOff, InvalidInput, SessionNotFound or TooManyWebhooks."""
        await self._check(ask.url)
        if ask.session_id and not await self._store.owns_session(user_id, ask.session_id):
            raise SessionNotFound
        seed = self._seed()
        new = NewWebhook(
            id=uuid7(),
            user_id=user_id,
            url=ask.url,
            statuses=ask.statuses,
            session_id=ask.session_id,
            include_message=ask.include_message,
            seed=seed,
        )
        if added := await self._store.add(new, self._settings.per_user, actor):
            return added, self._secrets.told(seed)
        raise TooManyWebhooks(f"There may be {self._settings.per_user} of them.", limit=self._settings.per_user)

    async def all(self, user_id: UUID) -> Sequence[Webhook]:
        return await self._store.all(user_id)

    async def find(self, user_id: UUID, webhook_id: UUID) -> Webhook:
        """Raise WebhookNotFound."""
        if webhook := await self._store.find(user_id, webhook_id):
            return webhook
        raise WebhookNotFound

    async def change(self, user_id: UUID, webhook_id: UUID, change: WebhookChange, actor: Actor) -> Webhook:
        """Raise WebhookNotFound or InvalidInput."""
        if change.url is not None:
            await self._check(change.url)
        if changed := await self._store.change(user_id, webhook_id, change, actor):
            return changed
        raise WebhookNotFound

    async def roll(self, user_id: UUID, webhook_id: UUID, actor: Actor) -> str:
        """Return another secret, which is told this once; raise WebhooksOff or WebhookNotFound."""
        seed = self._seed()
        if await self._store.roll(user_id, webhook_id, seed, self._settings.old_secret_hours, actor):
            return self._secrets.told(seed)
        raise WebhookNotFound

    async def delete(self, user_id: UUID, webhook_id: UUID, actor: Actor) -> None:
        """Raise WebhookNotFound."""
        if not await self._store.delete(user_id, webhook_id, actor):
            raise WebhookNotFound

    async def deliveries(self, user_id: UUID, webhook_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Delivery]:
        """Raise WebhookNotFound."""
        await self.find(user_id, webhook_id)
        return await self._deliveries.page(user_id, webhook_id, limit=limit, before=before)

    async def redeliver(self, user_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """Raise WebhookNotFound, WebhookIsOff or DeliveryNotFound."""
        if not (await self.find(user_id, webhook_id)).is_on:
            raise WebhookIsOff
        if delivery := await self._deliveries.again(user_id, webhook_id, delivery_id):
            return delivery
        raise DeliveryNotFound

    async def _check(self, url: str) -> None:
        try:
            await self._guard.look(url)
        except WebError as error:
            raise InvalidInput(f"url: {error}") from error

    def _seed(self) -> Seed:
        if not self._secrets:
            raise WebhooksOff
        return self._secrets.seed()
