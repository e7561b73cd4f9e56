"""What a check finds, and how one is made that neither hangs nor hides the others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from app.errors import AppError


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`advice` is what to do about it; empty where there is nothing to do."""

    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A finding, what it is about, and how long the look took."""

    name: str
    finding: Finding
    seconds: float


type Check = Callable[[], Awaitable[Finding]]


def ok(found: str) -> Finding:
    return Finding(state=State.OK, found=found)


def warning(found: str, advice: str) -> Finding:
    return Finding(state=State.WARNING, found=found, advice=advice)


def failed(found: str, advice: str = "") -> Finding:
    return Finding(state=State.FAILED, found=found, advice=advice)


def skipped(found: str) -> Finding:
    return Finding(state=State.SKIPPED, found=found)


async def checked(name: str, check: Check, seconds: float, *, advice: str = "") -> Checked:
    """What the check finds within so many seconds; `advice` is for one that fails with no advice of its own."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            finding = await check()
    except TimeoutError:
        finding = failed(f"No answer within {seconds:g} s.", advice)
    except AppError as error:
        finding = failed(error.detail, advice)
    except Exception as error:  # noqa: BLE001  # a check that breaks must not hide the others; its words may hold an address' password
        finding = failed(f"The check itself broke ({type(error).__name__}).", "Report it as a bug.")
    return Checked(name=name, finding=finding, seconds=time.monotonic() - began)


def not_checked(name: str, why: str) -> Checked:
    return Checked(name=name, finding=skipped(why), seconds=0)
