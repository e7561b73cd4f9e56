"""`scripts/load-smoke URL`: whether a server that runs somewhere holds when a few people talk with it at once, and loses nothing.

It is no benchmark: it runs beside whatever else the server does, through any network. Users are threads, each with the terminal's client.
"""

import argparse
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import httpx2

from app.errors import AppError, NotAuthenticated, QuotaExceeded, RateLimited, TooManyAttempts, TooManyRuns, Unavailable
from app.terminal.server import Event, Reading, Server
from benchmarks.figures import percentiles

_API_KEY: Final = "MILEPOST_API_KEY"
_LOST, _COULD_NOT_BEGIN = 1, 2
_ATTEMPT: Final = 1_000_000
_MOST: Final = 10_000
_LIMITS: Final = (RateLimited, QuotaExceeded, TooManyAttempts, TooManyRuns)
_QUESTION: Final = "Name ten rivers, one a line. This is try {turn} of {user}."
# For taking away what was made for this.
_LAST_SECONDS: Final = 3


@dataclass(slots=True)
class Turn:
    """One message: what was seen of its answer, and what became of it; `lost` is what must never happen."""

    began_at: float = field(default_factory=time.monotonic)
    first_seconds: float | None = None
    seconds: float | None = None
    failure: str = ""
    limited: str = ""
    lost: str = "not over when time was up"


class Talker:
    """A user with an account that is made for this, or of the key in the environment."""

    def __init__(self, url: str, model: str | None) -> None:
        self.server = Server(url)
        self.turns: list[Turn] = []
        self._model = model
        self._password = ""

    def come_in(self) -> None:
        """Raise AppError."""
        if key := os.environ.get(_API_KEY):
            self.server.use(key)
            self._try_key()
            return
        self._password = f"Aa1-{secrets.token_urlsafe(16)}"
        email = f"load-smoke-{secrets.token_hex(6)}@example.com"
        tokens = self.server.post("auth/register", {"email": email, "password": self._password})["tokens"]
        if tokens is None:
            raise AppError(f"An account here needs a mail to be opened first: put the API key of one into {_API_KEY}.")
        self.server.use(tokens["access_token"])

    def _try_key(self) -> None:
        try:
            self.server.get("models")
        except NotAuthenticated as error:
            raise AppError(f"{self.server.url} does not take the key in {_API_KEY}.") from error

    def talk(self, turns: int, deadline: float) -> None:
        """One session; a message that is refused by a limit is the last."""
        session = ""
        try:
            session = str(self.server.post("sessions", {"name": "load-smoke"})["id"])
            for number in range(turns):
                if time.monotonic() > deadline or not self._turn(session, number):
                    break
        except AppError as error:
            self.turns.append(_refused(Turn(), error))
        finally:
            self._leave(session)

    def _turn(self, session: str, number: int) -> bool:
        turn = Turn()
        self.turns.append(turn)
        body = {"message": _QUESTION.format(turn=number + 1, user=id(self)), "model": self._model}
        reading = Reading(self.server, f"sessions/{session}/chat/stream", body)
        try:
            # Hung up on at the first token, and read on after it.
            events = [*_noting(turn, _until_token(reading)), *_noting(turn, reading)]
            turn.seconds = time.monotonic() - turn.began_at
            again = [*Reading(self.server, run_id=reading.run_id)]
        except AppError as error:
            _refused(turn, error)
            # What has begun and cannot be read to its end is worse than a no.
            turn.lost = "no end" if reading.run_id and isinstance(error, Unavailable) else ""
        else:
            turn.lost, turn.failure = _what_is_lost(events, again), _failure(events)
        return not turn.limited

    def _leave(self, session: str) -> None:
        """Take away what was made for this; a server that is gone by now keeps it."""
        with suppress(httpx2.HTTPError):
            if self._password:
                self.server.http.request("DELETE", "me", json={"password": self._password})
            elif session:
                self.server.http.request("DELETE", f"sessions/{session}")
        self.server.http.close()


def _until_token(reading: Reading) -> Iterator[Event]:
    with closing(iter(reading)) as events:  # type: ignore[type-var]  # a generator, which closing hangs up
        for event in events:
            yield event
            if event.type == "token":
                return


def _noting(turn: Turn, events: Iterator[Event] | Reading) -> Iterator[Event]:
    for event in events:
        if turn.first_seconds is None and event.type == "token":
            turn.first_seconds = time.monotonic() - turn.began_at
        yield event


def _refused(turn: Turn, error: AppError) -> Turn:
    """A limit is told and is no failure; what else a server says no with is."""
    turn.lost = ""
    if isinstance(error, _LIMITS):
        turn.limited = error.code
    else:
        turn.failure = error.code
    return turn


def _what_is_lost(events: Sequence[Event], again: Sequence[Event]) -> str:
    """Empty where the stream came whole: once and in order, with one end, and as the server tells it a second time."""
    ends = [event for event in events if event.type == "end"]
    if len(ends) != 1 or events[-1] is not ends[0]:
        return "no end"
    if any(_is_gap(before.number, after.number) for before, after in pairwise(events)) or events[0].number % _ATTEMPT != 1:
        return "a gap between numbers"
    if events != again:
        return "a replay that differs: events missing, doubled or swapped"
    completed = ends[0].data["status"] == "completed"
    return "no token" if completed and not any(event.type == "token" for event in events) else ""


def _is_gap(before: int, after: int) -> bool:
    """The first of a later attempt is none."""
    return after != before + 1 and not (after % _ATTEMPT == 1 and after > before)


def _failure(events: Sequence[Event]) -> str:
    codes = [str(event.data["code"]) for event in events if event.type == "error"]
    status = str(events[-1].data.get("status", "no_status")) if events else "no_status"
    return next(iter(codes), "" if status in {"completed", "interrupted"} else status)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    deadline = time.monotonic() + chosen.seconds
    talkers = [Talker(chosen.url, chosen.model) for _ in range(chosen.users)]
    try:
        talkers[0].come_in()
    except AppError as error:
        talkers[0].server.http.close()
        sys.stderr.write(f"{error.detail}\n")
        return _COULD_NOT_BEGIN
    who = [threading.Thread(target=_live, args=(talker, chosen.turns, deadline), daemon=True) for talker in talkers]
    for thread in who:
        thread.start()
    for thread in who:
        thread.join(max(0, deadline + _LAST_SECONDS - time.monotonic()))
    return _tell([turn for talker in talkers for turn in [*talker.turns]], chosen)


def _live(talker: Talker, turns: int, deadline: float) -> None:
    try:
        if "Authorization" not in talker.server.http.headers:
            talker.come_in()
    except AppError as error:
        talker.turns.append(_refused(Turn(), error))
    else:
        talker.talk(turns, deadline)


def _tell(turns: Sequence[Turn], chosen: argparse.Namespace) -> int:
    whole = [turn for turn in turns if not (turn.lost or turn.failure or turn.limited)]
    failures, limits, lost = (Counter(filter(None, found)) for found in _by_fate(turns))
    print(f"{chosen.url}: {chosen.users} users, {chosen.turns} turns each, model {chosen.model or 'as the server has it'}")
    print(f"whole        {len(whole)} of {len(turns)}, each hung up on once and read on")
    for name, found in (("failed", failures), ("limited", limits), ("lost", lost)):
        codes = ", ".join(f"{code} {count}" for code, count in found.most_common())
        print(f"{name:<12} {found.total()}{f': {codes}' if codes else ''}")
    _tell_times("first token", [turn.first_seconds for turn in whole])
    _tell_times("turn", [turn.seconds for turn in whole])
    if limits:
        print("What a limit refuses is not lost: docs/limits.md says whose it is, and how another is set.")
    return _LOST if lost or failures.total() > chosen.failures or not whole else 0


def _tell_times(name: str, times: Sequence[float | None]) -> None:
    if seconds := [one for one in times if one is not None]:
        cut = percentiles(seconds)
        print(f"{name:<12} p50 {cut.p50:.2f} s, p95 {cut.p95:.2f} s")


def _by_fate(turns: Sequence[Turn]) -> Iterator[list[str]]:
    yield [turn.failure for turn in turns]
    yield [turn.limited for turn in turns]
    yield [turn.lost for turn in turns]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/load-smoke", description=(__doc__ or "").partition("\n")[0].partition(": ")[2])
    parser.add_argument("url", type=_address, help="the server's, as browsers know it: https://chat.example.com")
    parser.add_argument("--users", type=_from(1), default=3, help="who talk at once, each with an account made for this; 3 unless given")
    parser.add_argument("--turns", type=_from(1), default=3, help="messages of each, one after the other; 3 unless given")
    parser.add_argument("--seconds", type=_from(1), default=120, help="what is not over by then is lost; 120 unless given")
    parser.add_argument("--failures", type=_from(0), default=0, help="turns that may fail; 0 unless given")
    parser.add_argument("--model", metavar="NAME", help="ask this one; the server's default, with what it costs, unless given")
    return parser


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with http:// or https://")
    return text


def _from(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= _MOST:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {_MOST}")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
