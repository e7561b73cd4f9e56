"""`--where KEY=VALUE`: which runs of the past are meant."""

import re
from argparse import ArgumentParser, _ArgumentGroup
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from app.persistence.said import Wanted
from evals.errors import Misused

_KEYS: Final = ("model", "agent", "tier", "feedback", "error", "since")
_SCORES: Final = {"up": 1, "down": -1}
_AGE: Final = re.compile(r"([1-9][0-9]{0,4})([hd])")


def add_where(parser: "ArgumentParser | _ArgumentGroup") -> None:
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs of this model, agent or tier, with feedback=up or down, an error's code or error=any, since=7d, 24h or a date",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another sample of the same runs for another number")


def wanted_of(where: Sequence[str]) -> Wanted:
    """Raise Misused."""
    told = dict[str, str]()
    for one in where:
        key, _, value = one.partition("=")
        if key not in _KEYS or not value or key in told:
            raise Misused(f"--where {one}: must be one of {', '.join(_KEYS)}, once, with = and what it is to be.")
        told[key] = value
    return Wanted(
        model=told.get("model", ""),
        agent=told.get("agent", ""),
        tier=told.get("tier", ""),
        error=told.get("error", ""),
        score=_score(told["feedback"]) if "feedback" in told else None,
        since=_since(told["since"]) if "since" in told else None,
    )


def _score(text: str) -> int:
    if text not in _SCORES:
        raise Misused("--where feedback: must be up or down.")
    return _SCORES[text]


def _since(text: str) -> datetime:
    if age := _AGE.fullmatch(text):
        hours = int(age[1]) * (24 if age[2] == "d" else 1)
        return datetime.now(UTC) - timedelta(hours=hours)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misused("--where since: must be like 7d, 24h or 2026-11-01.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
