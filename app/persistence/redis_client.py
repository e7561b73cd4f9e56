"""A client of Redis or Valkey that finds out soon when nobody answers, and tries nothing twice."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.errors import SettingsInvalid


def redis_client(url: str, *, answer_seconds: float) -> Redis:
    """Connect to nothing yet; raise SettingsInvalid for no address at all."""
    try:
        client = Redis.from_url(
            url,
            socket_connect_timeout=answer_seconds,
            socket_timeout=answer_seconds,
            # The client's own would try again, with pauses of seconds; here what comes next is the next try.
            retry=Retry(NoBackoff(), 0),
        )
        # Connects to nothing; an option that there is not is found out only here.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis leaves it bare
    except (ValueError, TypeError):
        # Their words may quote the password.
        raise SettingsInvalid("REDIS_URL: must be an address like redis://host:6379.") from None
    return client
