"""What a user says is remembered by the worker, in the background, and put to the tables' account."""

import asyncio
import json

import psycopg
import pytest

from app.errors import SettingsInvalid
from app.settings import Settings
from app.wiring import open_services
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


@pytest.mark.variables(WORKER_IN_SERVER="true", MEMORY_DELAY_SECONDS="0.5", MEMORY_MODEL="gpt-5")
async def test_a_worker_remembers_what_was_said_with_the_model_of_the_setting(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    found = {"memory": [{"text": "Does not eat meat"}]}
    await provider.script(Text(json.dumps(found), when="## New Messages"))
    session = await ada.open_session()
    await ada.ask(session, "Remember that I do not eat meat")
    rows: list[tuple[str, str, str]] = []
    async with asyncio.timeout(60), await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        while not rows:  # the queue has no event for it
            await asyncio.sleep(0.1)
            cursor = await connection.execute(
                "SELECT payload->>'data', call.model, call.session_id::text FROM memory JOIN model_call AS call USING (user_id)"
                " WHERE call.purpose = 'memory'"
            )
            rows = await cursor.fetchall()
    assert rows == [("Does not eat meat", "gpt-5", session)]
    messages = await ada.messages(session)
    assert [message["role"] for message in messages] == ["user", "assistant"]


@pytest.mark.variables(MEMORY_MODEL="nobody")
async def test_a_model_that_nobody_has_is_refused_at_start(settings: Settings) -> None:
    with pytest.raises(SettingsInvalid, match="MEMORY_MODEL: nobody"):
        async with open_services(settings):
            pass
