"""A terminal whose user follows a script."""

from collections.abc import Callable

type Line = str | type[BaseException]


class ScriptedScreen:
    """Somebody who answers prompts from a list, and leaves at its end; `heard` has what they see, notes in brackets."""

    def __init__(self, *lines: Line, is_interactive: bool = True, on_token: Callable[[str], None] | None = None) -> None:
        self._lines = [*lines]
        self._on_token = on_token
        self.is_interactive = is_interactive
        self.heard = ""

    def say(self, text: str) -> None:
        self.heard += text
        if self._on_token:
            self._on_token(text)

    def note(self, text: str) -> None:
        self.heard += f"\n[{text}]\n"

    def fail(self, text: str) -> None:
        self.heard += f"\n!{text}\n"

    def ask(self, prompt: str) -> str:
        self.heard += f"\n{prompt}"
        line = self._lines.pop(0) if self._lines else EOFError
        if isinstance(line, str):
            self.heard += f"{line}\n"
            return line
        raise line

    def secret(self, prompt: str) -> str:
        return self.ask(prompt)
