"""What each call of a judge came to, for who keeps a ledger of them."""

import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from langchain_core.messages import AIMessage
from uuid_utils.compat import uuid7

from app.errors import AppError, ModelTimeout
from app.llm.calls import ModelCall, Purpose, tell
from app.llm.models import Model
from app.llm.money import counted

_MILLISECONDS: Final = 1_000


async def accounted(model: Model, heard: Callable[[ModelCall], None], ask: Callable[..., Awaitable[Any]]) -> Mapping[str, Any]:
    """Ask, and have the call heard however it ends; `ask` returns a mapping that has what the model sent as `raw`."""
    begun, started_at = time.perf_counter(), datetime.now(UTC)
    told: Mapping[str, Any] = {}
    error_code = None
    try:
        told = await ask()
    except BaseException as error:  # a call that is cut off in the middle was paid for, too
        error_code = _code_of(error)
        raise
    finally:
        raw = told.get("raw")
        call = ModelCall(
            id=uuid7(),
            model=model.spec.name,
            purpose=Purpose.JUDGE,
            started_at=started_at,
            latency_ms=round((time.perf_counter() - begun) * _MILLISECONDS),
            error_code=error_code,
            **counted(model.price, raw.usage_metadata if isinstance(raw, AIMessage) else None),
        )
        tell(call)
        heard(call)
    return told


def _code_of(error: BaseException) -> str:
    if isinstance(error, CancelledError):  # as a rule because it took too long
        return ModelTimeout.code
    return error.code if isinstance(error, AppError) else AppError.code
