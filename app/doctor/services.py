"""What a server may use beside its database: each is skipped where no setting names it."""

from collections.abc import Mapping
from functools import partial

from app.accounts.oidc.opening import open_sign_in
from app.doctor.findings import Check, Finding, ok, skipped
from app.mail import SmtpPost
from app.observability.langfuse import open_langfuse
from app.persistence import redis_client
from app.settings import Settings

_MILLISECONDS = 1_000

ADVICE: Mapping[str, str] = {
    "redis": "Is it up, and REDIS_URL right? Until then answers come all the same, a little later, and each server limits for itself.",
    "langfuse": "Compare LANGFUSE_BASE_URL and its two keys with the project's page. Turns go on without it; their traces are lost.",
    "mail": "Compare SMTP_URL with what the mail's provider says; try its port from this machine.",
    "oidc": "Open OIDC_ISSUER/.well-known/openid-configuration from this machine; its `issuer` must be OIDC_ISSUER.",
}


def service_checks(settings: Settings, seconds: float) -> Mapping[str, Check]:
    return {
        "redis": partial(_check_redis, settings, seconds),
        "langfuse": partial(_check_langfuse, settings),
        "mail": partial(_check_mail, settings, seconds),
        "oidc": partial(_check_sign_in, settings),
    }


async def _check_redis(settings: Settings, seconds: float) -> Finding:
    if not (url := settings.redis.url.get_secret_value()):
        return skipped("REDIS_URL is not set: servers tell each other through Postgres")
    reached = await redis_client.reach(url, seconds)
    return ok(f"{reached.server}, answers in {reached.seconds * _MILLISECONDS:.1f} ms")


async def _check_langfuse(settings: Settings) -> Finding:
    async with open_langfuse(settings.tracing) as langfuse:
        if not langfuse:
            return skipped("LANGFUSE_PUBLIC_KEY is not set")
        return ok(f"Langfuse {await langfuse.reach()}, takes our keys")


async def _check_mail(settings: Settings, seconds: float) -> Finding:
    mail = settings.mail
    if not mail.smtp_url.get_secret_value():
        return skipped("SMTP_URL is not set: no mail is sent")
    await SmtpPost(mail.smtp_url, mail.sender).reach(seconds)
    return ok("the mail server answers and lets us in")


async def _check_sign_in(settings: Settings) -> Finding:
    async with open_sign_in(settings.oidc, settings.server.public_url) as sign_in:
        if not sign_in:
            return skipped("OIDC_ISSUER is not set")
        await sign_in.reach()
        return ok(f"{sign_in.name} tells its addresses and keys")
