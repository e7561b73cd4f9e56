"""The OpenAPI document says what is true."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import httpx
import psycopg
import pytest_asyncio

from app.api.errors import Problem
from tests.conftest import Server
from tests.visitor import Visitor

type Document = dict[str, Any]


@pytest_asyncio.fixture
async def document(server: Server) -> Document:
    async with httpx.AsyncClient() as client:
        document: Document = (await client.get(f"{server.url}/openapi.json")).json()
    return document


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    return ((method, path, operation) for path, methods in document["paths"].items() for method, operation in methods.items())


def _problems(operation: Document) -> Iterator[tuple[str, str, Document]]:
    """Status, code and document of every error in an operation's examples."""
    for status, response in operation["responses"].items():
        media = response.get("content", {}).get("application/problem+json", {})
        yield from ((status, code, example["value"]) for code, example in media.get("examples", {}).items())


def _body(document: Document, operation: Document) -> Document | None:
    """The body that the docs page offers, put together from the examples."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    schema = document["components"]["schemas"][content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    whole: list[Document] = schema.get("examples", [])
    return whole[0] if whole else {name: field["examples"][0] for name, field in schema["properties"].items()}


async def test_every_error_is_documented_with_a_whole_problem_document(document: Document) -> None:
    codes = set()
    for _, _, operation in _operations(document):
        for status, code, example in _problems(operation):
            problem = Problem.model_validate(example)
            assert (str(problem.status), problem.code, problem.type) == (status, code, f"urn:milepost:problem:{code}")
            codes.add(code)
    assert {"not_authenticated", "session_not_found", "session_busy", "model_timeout", "events_expired", "server_busy"} <= codes


# The example's email is Ada's, who has registered and has another password; nothing is asked here, nothing branches, and a run waits
# for a worker.
_SOUND_BUT_REFUSED: Final = {
    "session_not_found",
    *("email_taken", "interrupt_not_found", "branch_not_found", "session_busy", "message_not_found", "wrong_password"),
    *("checkpoint_not_found", "csrf_refused", "user_not_found", "webhook_not_found", "invalid_refresh_token", "link_invalid"),
}


async def test_what_the_docs_page_offers_to_send_is_taken(document: Document, server: Server, ada: Visitor, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("""UPDATE "user" SET role = 'admin'""")
    session = await ada.open_session()
    sent, ids = 0, dict.fromkeys(("message_id", "user_id", "webhook_id"), uuid4())
    for method, path, operation in _operations(document):
        if (body := _body(document, operation)) is None:
            continue
        sent += 1
        answer = await ada.http.request(method, server.url + path.format(session_id=session, **ids), json=body)
        assert answer.is_success or answer.json()["code"] in _SOUND_BUT_REFUSED, (path, answer.text)
    assert sent >= 5


async def test_the_docs_page_can_log_in(document: Document, server: Server) -> None:
    scheme = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]
    token_url = scheme["flows"]["password"]["tokenUrl"]
    async with httpx.AsyncClient(base_url=server.url) as client:
        refused = await client.post(token_url, data={"username": "nobody@example.com", "password": "x"})
        assert refused.json()["code"] == "invalid_credentials"
        assert "swagger-ui" in (await client.get("/docs")).text


async def test_every_refusal_is_documented_as_the_problem_that_it_is(document: Document) -> None:
    v1 = [operation for _, path, operation in _operations(document) if path.startswith("/api/")]
    answers = [answer for operation in v1 for status, answer in operation["responses"].items() if status >= "4"]
    assert len(answers) > 100
    assert {(*answer["content"],) for answer in answers} == {("application/problem+json",)}
    assert {answer["content"]["application/problem+json"]["schema"]["$ref"] for answer in answers} == {"#/components/schemas/Problem"}
    assert {"type", "status", "code", "detail"} <= document["components"]["schemas"]["Problem"]["properties"].keys()
