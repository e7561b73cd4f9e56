"""What docs/migrating.md says of users and conversations from elsewhere."""

import re
from typing import Final

import bcrypt
import psycopg
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import START, MessagesState, StateGraph

from app.settings import ROOT
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

_THEIRS: Final = """
CREATE SCHEMA theirs;
CREATE TABLE theirs."user" (id SERIAL PRIMARY KEY, email VARCHAR UNIQUE NOT NULL, hashed_password VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT now());
"""


async def test_users_of_the_template_log_in_with_their_old_passwords(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    [statement] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "migrating.md").read_text(), re.DOTALL)
    old = bcrypt.hashpw(b"Difference-2", bcrypt.gensalt(4)).decode()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_THEIRS)
        for email in ("Bob@example.com", "ada@example.com"):
            connection.execute('INSERT INTO theirs."user" (email, hashed_password) VALUES (%s, %s)', [email, old])
        connection.execute(statement)
    came = await stranger.http.post("/auth/login", data={"username": "bob@example.com", "password": "Difference-2"})
    assert came.is_success, came.text
    bearer = {"Authorization": f"Bearer {came.json()['access_token']}"}
    assert (await stranger.http.get("/auth/me", headers=bearer)).json()["tier"] == "free"
    # Who was here already is left alone.
    assert (await ada.http.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})).is_success


async def test_copied_checkpoints_are_neither_read_nor_shown(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    session = await ada.open_session()
    graph = StateGraph(MessagesState).add_node("respond", lambda _: {"messages": [AIMessage("I know: owls.")]}).add_edge(START, "respond")
    with PostgresSaver.from_conn_string(database_url) as saver:
        config: RunnableConfig = {"configurable": {"thread_id": session}}
        graph.compile(checkpointer=saver).invoke(MessagesState(messages=[HumanMessage("I like owls.")]), config)
        assert saver.get_tuple(config)
    assert await ada.messages(session) == []
    assert (await ada.ask(session, "What do I like?")).json()["status"] == "completed"
    [request] = await provider.requests(containing="What do I like?")
    assert "owls" not in str(request.messages)
    assert (await ada.messages(session))[0]["content"] == "What do I like?"
