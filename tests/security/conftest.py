"""Somebody who may do everything, so that what is behind an operator's door is attacked too."""

from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from tests.conftest import Server
from tests.visitor import Visitor


@pytest_asyncio.fixture
async def operator(server: Server) -> AsyncIterator[Visitor]:
    async with Visitor(server.url) as visitor:
        await visitor.register("operator@example.com")
        with psycopg.connect(server.settings.database.url, autocommit=True) as connection:
            made = connection.execute("""UPDATE "user" SET role = 'admin' WHERE email = 'operator@example.com'""")
            assert made.rowcount == 1
        yield visitor
