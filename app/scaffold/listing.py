"""The module that lists all tools or all agents, as its owner has left it, and as it is with one more."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.errors import InvalidInput
from app.scaffold.insertion import names_in, with_element, with_import


@dataclass(frozen=True, slots=True)
class Listing:
    path: Path
    shown: str
    source: str
    variable: str

    @classmethod
    def read(cls, root: Path, name: str, variable: str) -> Self:
        """Raise InvalidInput where there is no such tuple of names: nothing could be added to it."""
        try:
            source = (root / name).read_text(encoding="utf-8")
            names_in(source, variable)
        except SyntaxError as error:
            raise InvalidInput(f"{name} is no Python (line {error.lineno}: {error.msg}). Mend it first; nothing was written.") from error
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{name} has no tuple {variable} to which a name could be added; nothing was written.") from error
        return cls(root / name, name, source, variable)

    @property
    def names(self) -> list[str]:
        return names_in(self.source, self.variable)

    def added(self, module: str, element: str) -> str:
        """Raise InvalidInput where it is written in a way that an addition would break."""
        try:
            text = with_element(with_import(self.source, module, element), self.variable, element)
            if names_in(text, self.variable) == [*self.names, element]:
                return text
        except (SyntaxError, ValueError):
            pass
        raise InvalidInput(f"{self.shown} is not as `make format` leaves it: run that first. Nothing was written.")
