"""A session's past in the terminal: its checkpoints, one of them, and running on from there."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.terminal.chat import Chat
from app.terminal.screen import Screen
from app.terminal.server import Reading, Server

_PAGE: Final = 50


class Replay:
    def __init__(self, server: Server, screen: Screen, session_id: str) -> None:
        self._server = server
        self._screen = screen
        self._session_id = session_id

    def list(self) -> None:
        """Newest first; a star marks the ends of runs, after which a message can be said."""
        for one in self._checkpoints():
            star = "*" if one["ends_run"] else " "
            coming = f"then {', '.join(one['next'])}" if one["next"] else "nothing left to do"
            when = one["created_at"][:19]
            self._screen.say(f"{star} {one['id']}  {when}  step {one['step']:>3}  {one['message_count']:>3} messages  {coming}\n")

    def show(self, checkpoint_id: str) -> None:
        state = self._server.get(f"sessions/{self._session_id}/checkpoints/{checkpoint_id}")
        self._screen.say(f"run {state['run_id']}, step {state['step']}, next: {', '.join(state['next']) or 'nothing'}\n")
        if state["summary"]:
            self._screen.say(f"summary of what came before: {state['summary']}\n")
        for message in state["messages"]:
            self._screen.say(f"{_line(message)}\n")
        for name, value in state["values"].items():
            self._screen.say(f"{name} = {value}\n")

    def go_on(self, checkpoint_id: str, *, message: str | None, model: str | None) -> bool:
        """Run on from there, as another branch; whether an answer came."""
        body = {"checkpoint_id": checkpoint_id, "message": message, "model": model}
        reading = Reading(self._server, f"sessions/{self._session_id}/replay/stream", body)
        return Chat(self._server, self._screen, session_id=self._session_id).follow(reading)

    def _checkpoints(self) -> Iterator[Mapping[str, Any]]:
        before: dict[str, str] = {}
        while True:
            page = self._server.get(f"sessions/{self._session_id}/checkpoints", limit=_PAGE, **before)
            yield from page["items"]
            if page["next_before"] is None:
                return
            before = {"before": page["next_before"]}


def _line(message: Mapping[str, Any]) -> str:
    calls = "".join(f" → {call['name']} {call['args']}" for call in message["tool_calls"])
    who = f"{message['role']} {message['name']}" if message["name"] else message["role"]
    return f"{who}: {message['content']}{calls}"
