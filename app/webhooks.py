"""Open what tells users' own servers that runs have ended: the users' side, and the worker's."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.accounts.secrets import development_secret
from app.internet.posting import open_poster
from app.persistence.database import Pool
from app.persistence.deliveries import DeliveryTable
from app.persistence.queue import EVERY_TEN_MINUTES, EVERY_TEN_SECONDS, Chore, Job, by_id
from app.persistence.webhooks import WebhookTable
from app.runs.delivering import Delivering
from app.runs.signing import Secrets
from app.runs.webhooks import Webhooks
from app.settings import Environment, Settings

_KEY_FILE = "webhook_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWebhooks:
    webhooks: Webhooks
    jobs: Mapping[str, Job]
    chores: Sequence[Chore]


@asynccontextmanager
async def open_webhooks(settings: Settings, pool: Pool) -> AsyncGenerator[OpenWebhooks]:
    own, deliveries, secrets = settings.webhooks, DeliveryTable(pool), Secrets(_keys(settings))
    allow_private = settings.web.allow_private
    async with open_poster(seconds=own.seconds, connections=own.concurrency, allow_private=allow_private) as poster:
        delivering = Delivering(deliveries, poster, secrets, own)
        yield OpenWebhooks(
            webhooks=Webhooks(WebhookTable(pool), deliveries, poster, secrets, own),
            jobs={"announce_run": by_id(delivering.announce), "deliver": by_id(delivering.deliver)},
            chores=[
                Chore(name="requeue_deliveries", cron=EVERY_TEN_SECONDS, do=delivering.requeue),
                Chore(name="forget_deliveries", cron=EVERY_TEN_MINUTES, do=delivering.forget),
            ],
        )


def _keys(settings: Settings) -> Sequence[str]:
    named = settings.webhooks.named_keys
    if not named and settings.environment in {Environment.DEVELOPMENT, Environment.TEST}:
        return [development_secret(settings.database.data_dir, _KEY_FILE).get_secret_value()]
    return named
