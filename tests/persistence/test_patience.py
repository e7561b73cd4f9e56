"""A database that hangs is one that does not answer: no statement waits for ever, on either kind of connection."""

import pytest
import sqlalchemy as sa

from app.errors import DatabaseUnavailable
from app.persistence.database import database_errors, fetch_all, open_database
from app.settings import DatabaseSettings


async def test_a_statement_that_takes_too_long_has_failed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_STATEMENT_SECONDS", "0.2")
    async with open_database(database_url, DatabaseSettings()) as database:
        with pytest.raises(DatabaseUnavailable):
            await fetch_all(database.pool, "SELECT pg_sleep(20)", {})
        for _ in range(2):  # a connection that has been used and rolled back keeps its patience
            with pytest.raises(DatabaseUnavailable), database_errors():
                async with database.query() as query:
                    await (await query.connection()).execute(sa.text("SELECT pg_sleep(20)"))
