"""A client of Redis or Valkey that finds out soon when nobody answers, and tries nothing twice."""

import time
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from app.errors import AppError, SettingsInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Who answered, with its version where it tells one, and how long that took."""

    server: str
    seconds: float


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


async def reach(url: str, seconds: float) -> Reached:
    """Ask once whether somebody answers; raise SettingsInvalid, or AppError in words that say why not."""
    async with redis_client(url, answer_seconds=seconds) as client:
        try:
            await client.ping()  # type: ignore[misc]  # redis has one type for both of its clients
            began = time.monotonic()
            await client.ping()  # type: ignore[misc]  # redis has one type for both of its clients
            return Reached(seconds=time.monotonic() - began, server=await _server(client))
        except AuthenticationError:
            raise AppError("Redis refuses the user or the password.") from None
        except (RedisError, OSError):
            raise AppError("Redis is not answering.") from None


async def _server(client: Redis) -> str:
    try:
        told = await client.info("server")
    except NoPermissionError:
        return "Redis, of a version that our user may not see"
    return f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {told.get('redis_version', 'of no version')}"
