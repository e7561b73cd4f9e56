"""Where the database is."""

from collections.abc import Generator
from contextlib import contextmanager

from app.persistence.embedded import create_database, embedded_postgres
from app.settings import DatabaseSettings


@contextmanager
def database_url(settings: DatabaseSettings) -> Generator[str]:
    """The address of a database that exists: the configured one, or an embedded Postgres that runs until we leave."""
    if settings.url:
        create_database(settings.url)
        yield settings.url
        return
    with embedded_postgres(settings.data_dir) as url:
        yield url
