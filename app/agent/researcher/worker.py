"""What each worker does for its question: search, read what was found, and note what it says. It can call no tools."""

import asyncio
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from pydantic import BaseModel

from app.agent.json_answers import read_answer
from app.agent.prompts import prompt_text, quoted
from app.agent.researcher.asking import ask_step, config_of
from app.agent.researcher.state import Finding, Note, ReadPage, Source, WorkerState, WorkerUpdate
from app.agent.researcher.telling import tell_begun, tell_finding, worker_of
from app.agent.state import AgentContext
from app.agent.tools.web_search import web_search
from app.errors import ModelBadAnswer, ModelError
from app.internet import WebError
from app.llm.calls import account

_NOTING_SECONDS: Final = 90
_MOST_NOTES: Final = 8
_MOST_CHARACTERS: Final = 600
_TOO_SLOW: Final = "Reading the pages took too long."
_NO_PAGE: Final = "None of the pages that were found could be read."
_NO_NOTE: Final = "The pages that were read do not answer this."


class _Note(BaseModel):
    page: int
    says: str


class _Notes(BaseModel):
    notes: list[_Note]


async def search(state: WorkerState, runtime: Runtime[AgentContext]) -> WorkerUpdate:
    context, question = runtime.context, state["question"]
    tell_begun(context.listener, worker_of(runtime), question)
    if words := context.why_no_tool(web_search.name):  # since it was planned
        return _failed(runtime, question, words)
    try:
        async with context.room:
            hits = await context.web.search(question)
    except WebError as error:
        return _failed(runtime, question, str(error))
    return {"urls": [*dict.fromkeys(hit.url for hit in hits)]}


async def read(state: WorkerState, runtime: Runtime[AgentContext]) -> WorkerUpdate:
    """The best pages that can be read: for each that cannot, the next one is tried."""
    context, left, pages = runtime.context, state["urls"], list[ReadPage]()
    wanted = config_of(context).pages
    while left and len(pages) < wanted:
        tried, left = left[: wanted - len(pages)], left[wanted - len(pages) :]
        pages += filter(None, await asyncio.gather(*(_read_one(context, url) for url in tried)))
    return {"pages": pages} if pages else _failed(runtime, state["question"], _NO_PAGE)


async def _read_one(context: AgentContext, url: str) -> ReadPage | None:
    try:
        async with context.room:
            page = await context.web.read(url)
    except WebError:
        return None
    return ReadPage(url=page.url, title=page.title, text=page.text)


async def note(state: WorkerState, runtime: Runtime[AgentContext]) -> WorkerUpdate:
    """A model that fails, or takes too long, costs this question and not the answer."""
    context, question, pages = runtime.context, state["question"], state["pages"]
    try:
        async with asyncio.timeout(_NOTING_SECONDS):
            answer = await ask_step(context, [SystemMessage(prompt_text("research_note.md")), HumanMessage(_told(question, pages))])
    except (ModelError, TimeoutError) as error:
        return _failed(runtime, question, error.detail if isinstance(error, ModelError) else _TOO_SLOW)
    notes = _notes(answer, pages)
    if not notes:
        return {**_failed(runtime, question, _NO_NOTE), "accounts": [account(answer)]}
    said = {one["url"] for one in notes}
    sources = [Source(url=page["url"], title=page["title"]) for page in pages if page["url"] in said]
    finding = Finding(namespace=worker_of(runtime), question=question, sources=sources, notes=notes, failure="")
    tell_finding(context.listener, finding)
    return {"findings": [finding], "accounts": [account(answer)]}


def _told(question: str, pages: Sequence[ReadPage]) -> str:
    lines = [quoted({"page": number, "title": page["title"], "text": page["text"]}) for number, page in enumerate(pages, start=1)]
    return "\n".join(["<question>", quoted(question), "</question>", "<pages>", *lines, "</pages>"])


def _notes(answer: AIMessage, pages: Sequence[ReadPage]) -> list[Note]:
    """The model's; where it has not given them as it was told, the beginning of each page."""
    try:
        given = [(one.page, one.says) for one in read_answer(_Notes, answer.text).notes]
    except ModelBadAnswer:
        given = [(number, page["text"]) for number, page in enumerate(pages, start=1)]
    tidied = ((number, " ".join(says.split())[:_MOST_CHARACTERS]) for number, says in given if 1 <= number <= len(pages))
    return [Note(url=pages[number - 1]["url"], says=says) for number, says in tidied if says][:_MOST_NOTES]


def _failed(runtime: Runtime[AgentContext], question: str, why: str) -> WorkerUpdate:
    finding = Finding(namespace=worker_of(runtime), question=question, sources=[], notes=[], failure=why)
    tell_finding(runtime.context.listener, finding)
    return {"findings": [finding]}
