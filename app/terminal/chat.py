"""A talk with an agent in the terminal, through any server's API."""

from collections.abc import Callable, Mapping
from typing import Final

from app.errors import AppError, InvalidAnswer, NotAuthenticated
from app.terminal.questions import answered, in_words
from app.terminal.screen import Screen
from app.terminal.server import Reading, Server
from app.terminal.telling import Live, Outcome, Whole, told

_HELP: Final = """\
/sessions       list your sessions; /sessions 2 goes on with the second
/new            begin another session
/agent [NAME]   list the agents, or begin a session with one
/model [NAME]   list the models, or ask one from now on
/quit           leave; so do Ctrl-D, and Ctrl-C while nothing is being answered
Ctrl-C stops an answer, and once more leaves it to the server."""
_LAST_MESSAGES: Final = 6
_MOST_SESSIONS: Final = 20


class Chat:
    def __init__(
        self, server: Server, screen: Screen, *, agent: str | None = None, session_id: str | None = None, model: str | None = None
    ) -> None:
        self._server = server
        self._screen = screen
        self._agent = agent
        self._session_id = session_id
        self._model = model
        self._has_left = False
        self._commands: Mapping[str, Callable[[str], None]] = {
            "/sessions": self._sessions,
            "/new": self._new,
            "/agent": self._agents,
            "/model": self._models,
            "/help": lambda _: self._lines(_HELP),
        }

    def talk(self) -> None:
        """Until who talks leaves; what goes wrong with one message is told, and the next may be sent."""
        self._screen.note(f"{self._server.url} · /help has the commands")
        if self._session_id:
            self._guarded(self._open, self._session_id)
        while not self._has_left and (line := self._line()) is not None:
            if line:
                self._guarded(self._obey, line)

    def answer(self, message: str) -> bool:
        """Send one message, with nobody there to be asked; whether the answer came."""
        return self.follow(self._asking(message))

    def follow(self, reading: Reading) -> bool:
        """Read to the end, and go on with answers as long as the agent asks somebody who is there; whether an answer came."""
        outcome = self._read(reading)
        if self._screen.is_interactive:
            return self._reply(outcome)
        for question in outcome.questions:
            self._screen.fail(f"{in_words(question)}; answer it with: {self._way_back()}")
        return outcome.status == "completed"

    def _line(self) -> str | None:
        try:
            line = self._screen.ask("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return None
        return None if line == "/quit" else line

    def _guarded(self, deed: Callable[[str], None], argument: str) -> None:
        try:
            deed(argument)
        except NotAuthenticated:
            raise
        except AppError as error:
            self._screen.fail(f"{error.detail} ({error.code})")

    def _obey(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        if not line.startswith("/"):
            self.follow(self._asking(line))
        elif command := self._commands.get(name):
            command(argument.strip())
        else:
            self._screen.note(f"There is no command {name}; there are:")
            self._lines(_HELP)

    def _asking(self, message: str) -> Reading:
        if self._session_id is None:
            new = {"agent": self._agent} if self._agent else {}
            self._session_id = self._server.post("sessions", new)["id"]
            if self._screen.is_interactive:
                self._screen.note(f"session {self._session_id}")
        return Reading(self._server, f"sessions/{self._session_id}/chat/stream", {"message": message, "model": self._model})

    def _reply(self, outcome: Outcome) -> bool:
        while outcome.questions:
            try:
                replies = answered(outcome.questions, self._screen)
            except (EOFError, KeyboardInterrupt):
                self._has_left = True
                self._screen.say(f"\nThe question waits; come back to it with: {self._way_back()}\n")
                return False
            try:
                outcome = self._read(Reading(self._server, f"sessions/{self._session_id}/resume/stream", {"answers": replies}))
            except InvalidAnswer as error:
                self._screen.fail(error.detail)
        return outcome.status == "completed"

    def _way_back(self) -> str:
        return f"python -m app chat --session {self._session_id} --url {self._server.url}"

    def _read(self, reading: Reading) -> Outcome:
        outcome, teller = Outcome(), (Live if self._screen.is_interactive else Whole)(self._screen)
        try:
            told(reading, teller, outcome)
        except KeyboardInterrupt:
            self._stop(reading)
            told(reading, teller, outcome)
        return outcome

    def _stop(self, reading: Reading) -> None:
        self._screen.note("stopping; Ctrl-C again leaves")
        run_id = reading.run_id or self._server.get(f"sessions/{self._session_id}/state")["live_run_id"]
        if run_id:
            self._server.post(f"runs/{run_id}/cancel")

    def _open(self, session_id: str) -> None:
        """Go on with a session: show how it stands, read on what is being answered, and ask what it asks."""
        session = self._server.get(f"sessions/{session_id}")
        self._session_id = session["id"]
        self._screen.note(f"{session['name'] or 'unnamed'} · {session['agent']} · {session['id']}")
        for message in self._server.get(f"sessions/{session_id}/messages", limit=_LAST_MESSAGES)["items"]:
            self._screen.say(f"{'> ' if message['role'] == 'user' else ''}{message['content']}\n")
        state = self._server.get(f"sessions/{session_id}/state")
        if live := state["live_run_id"]:
            self.follow(Reading(self._server, run_id=live))
        else:
            self._reply(Outcome(questions=state["interrupts"]))

    def _sessions(self, number: str) -> None:
        sessions = self._server.get("sessions", limit=_MOST_SESSIONS)["items"]
        if number.isdigit() and 0 < int(number) <= len(sessions):
            self._open(sessions[int(number) - 1]["id"])
            return
        if number:
            self._screen.note(f"There is no session {number}; there are:")
        for place, session in enumerate(sessions, 1):
            here = "*" if session["id"] == self._session_id else " "
            self._screen.note(f"{here}{place:>3} {session['id']} {session['agent']} · {session['name'] or 'unnamed'}")

    def _new(self, _: str) -> None:
        self._session_id = None
        self._screen.note("The next message begins a session.")

    def _agents(self, name: str) -> None:
        agents = {agent["name"]: agent for agent in self._server.get("agents")["items"]}
        if name in agents:
            self._agent, self._session_id = name, None
            self._screen.note(f"The next message begins a session with {name}.")
            return
        if name:
            self._screen.note(f"There is no agent {name}; there are:")
        for agent in agents.values():
            self._screen.note(f"{agent['name']}: {agent['description']}")

    def _models(self, name: str) -> None:
        names = [model["name"] for model in self._server.get("models")["items"]]
        if name in names:
            self._model = name
            self._screen.note(f"Asking {name} from now on.")
            return
        self._screen.note(f"There is no model {name}; there are:" if name else "the session's or the server's, unless one has a star:")
        for each in names:
            self._screen.note(f"{'*' if each == self._model else ' '} {each}")

    def _lines(self, text: str) -> None:
        for line in text.splitlines():
            self._screen.note(line)
