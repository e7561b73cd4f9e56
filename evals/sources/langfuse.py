"""Cases that Langfuse has: a dataset of it, or what users have said of late, masked, where their words are traced."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import httpx
import orjson

from app.settings import Settings
from evals.answers import Answer, Turn
from evals.cases import MOST_TURNS, Case, Dataset
from evals.errors import EvalsError, Misused
from evals.masking import masked_text

if TYPE_CHECKING:
    from langfuse.api import AsyncLangfuseAPI
    from langfuse.api.commons.types.dataset_item import DatasetItem
    from langfuse.api.commons.types.observation_v2 import ObservationV2

_CALL_SECONDS: Final = 20
_PAGE: Final = 100
_MOST_PAGES: Final = 1_000
_POLL_SECONDS: Final = 1
_LONGEST: Final = 100_000
_FIELDS: Final = "core,basic,time,io,model,usage"
# Where people put what a user says, in a dataset's item or a trace.
_WORDS: Final = ("content", "input", "message", "question", "text", "query", "output", "answer")


@asynccontextmanager
async def open_langfuse(settings: Settings) -> AsyncGenerator["AsyncLangfuseAPI"]:
    """Raise Misused without its keys."""
    told = settings.tracing
    if not told.has_langfuse:
        raise Misused("Langfuse is not configured: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.")
    from langfuse.api import AsyncLangfuseAPI  # noqa: PLC0415  # most of a CPU second that others need not wait for

    async with httpx.AsyncClient(timeout=_CALL_SECONDS) as http:
        yield AsyncLangfuseAPI(
            base_url=told.langfuse_base_url.rstrip("/"),
            username=told.langfuse_public_key,
            password=told.langfuse_secret_key.get_secret_value(),
            x_langfuse_sdk_name="python",
            x_langfuse_public_key=told.langfuse_public_key,
            httpx_client=http,
        )


async def langfuse_dataset(client: "AsyncLangfuseAPI", name: str) -> Dataset:
    """All active items that say something, as cases; raise EvalsError."""
    items: list[DatasetItem] = []
    for number in range(1, _MOST_PAGES + 1):
        page = await _read(client.dataset_items.list(dataset_name=name, page=number, limit=_PAGE))
        items += page.data
        if number >= page.meta.total_pages:
            break
    cases = [case for item in items if str(item.status) != "ARCHIVED" and (case := _case_of(item))]
    if not cases:
        raise EvalsError(f"Langfuse has no dataset {name} with an item whose input is a text or messages.")
    return Dataset(name="langfuse", version=1, description=f"Langfuse's dataset {name}"[:_LONGEST], cases=tuple(cases))


async def langfuse_runs(
    client: "AsyncLangfuseAPI", *, limit: int, since: datetime | None, wait_seconds: float = 0
) -> list[tuple[Case, Answer]]:
    """The latest runs with their answers; it is looked again for so long as there are fewer, for Langfuse shows things a little late."""
    deadline = time.monotonic() + wait_seconds
    while True:
        found = [pair async for pair in _runs(client, limit, since)]
        if len(found) >= limit or time.monotonic() >= deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    if not found:
        raise EvalsError("Langfuse shows no run with its words: they are traced where TRACE_TEXT is on.")
    return found


async def _runs(client: "AsyncLangfuseAPI", limit: int, since: datetime | None) -> AsyncGenerator[tuple[Case, Answer]]:
    seen, cursor = set[str](), None
    for _ in range(_MOST_PAGES):
        look = client.observations.get_many(fields=_FIELDS, is_root_observation=True, from_start_time=since, limit=_PAGE, cursor=cursor)
        page = await _read(look)
        for case, answer in filter(None, map(_pair_of, page.data)):
            if case.id in seen:  # a trace of several tries has a root for each, the latest first
                continue
            seen.add(case.id)
            yield case, answer
            if len(seen) >= limit:
                return
        cursor = page.meta.cursor
        if not cursor:
            return


def _pair_of(seen: "ObservationV2") -> tuple[Case, Answer] | None:
    said, answered = [*said_in(seen.input)][-MOST_TURNS:], [*said_in(seen.output, "assistant")]
    if not said or not answered or not seen.trace_id:
        return None
    case_id = f"trace-{seen.trace_id}"
    turn = Turn(
        said=said[-1],
        text=answered[-1],
        run_id=_run_id(seen.trace_id),
        seconds=(seen.end_time - seen.start_time).total_seconds() if seen.end_time else 0,
    )
    return _case(case_id, said, reviewed=False), Answer(case_id=case_id, attempt=1, turns=[turn])


def _case_of(item: "DatasetItem") -> Case | None:
    said, wanted = [*said_in(item.input)][-MOST_TURNS:], [*said_in(item.expected_output, "assistant")]
    return _case(f"item-{_plain(item.id)}", said, reference=wanted[-1] if wanted else None) if said else None


def _case(case_id: str, said: Sequence[str], **more: Any) -> Case:  # noqa: ANN401  # a case's fields
    several = len(said) > 1
    asked: dict[str, Any] = {"conversation": tuple(said)} if several else {"input": said[0]}
    return Case(id=case_id, tags=frozenset({"langfuse"}), **asked, **more)


def said_in(told: object, role: str = "user") -> Iterator[str]:
    """The texts that somebody of this role says in what has any of the shapes that people trace; masked."""
    match _parsed(told):
        case str(text) if text.strip():
            yield masked_text(text)[:_LONGEST]
        case list(messages):
            for message in messages:
                if isinstance(message, dict) and message.get("role", role) == role:
                    yield from said_in(message.get("content"), role)
        case dict(value):
            inner = value.get("messages") or next((value[name] for name in _WORDS if value.get(name)), None)
            yield from said_in(inner, role)


def _parsed(told: object) -> object:
    """Langfuse gives JSON as text unless it is asked otherwise."""
    if isinstance(told, str) and told[:1] in ("{", "[", '"'):
        try:
            return orjson.loads(told)
        except orjson.JSONDecodeError:
            return told
    return told


def _plain(text: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in text)[:90]


def _run_id(trace_id: str) -> str:
    """A run's trace has its id; another's has none of ours."""
    try:
        return str(UUID(hex=trace_id))
    except ValueError:
        return ""


async def _read[Page](call: Awaitable[Page]) -> Page:
    from langfuse.api.core import ApiError  # noqa: PLC0415  # it is imported by now

    try:
        return await call
    except ApiError as error:
        raise EvalsError(f"Langfuse refused ({error.status_code}).") from None  # its words quote what was sent
    except (httpx.HTTPError, ValueError) as error:
        raise EvalsError(f"Langfuse does not answer ({type(error).__name__}).") from None
