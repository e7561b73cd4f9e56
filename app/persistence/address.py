"""Where the database is."""

from collections.abc import Generator
from contextlib import contextmanager

from app.persistence.embedded import create_database, embedded_postgres
from app.persistence.pooling import refuse_shared_backends
from app.settings import DatabaseSettings


@contextmanager
def database_url(settings: DatabaseSettings) -> Generator[str]:
    """The address of a database that exists: the configured one, or an embedded Postgres that runs until we leave.

    Raise SettingsInvalid where what is said to be the database is a pool by transaction.
    """
    if not settings.url:
        with embedded_postgres(settings.data_dir) as url:
            yield url
        return
    create_database(settings.direct(settings.url), _name(settings))
    refuse_pool(settings)
    yield settings.url


@contextmanager
def direct_url(settings: DatabaseSettings) -> Generator[str]:
    """The same past a pooler, for what sets something for its connection or is about the database as a whole."""
    with database_url(settings) as url:
        yield settings.direct(url)


def refuse_pool(settings: DatabaseSettings) -> None:
    """Raise SettingsInvalid where what is said to be the database is a pool by transaction; the embedded one is none."""
    if settings.url:
        refuse_shared_backends(settings.direct(settings.url), _name(settings))


def _name(settings: DatabaseSettings) -> str:
    return "DATABASE_DIRECT_URL" if settings.is_pooled else "DATABASE_URL"
