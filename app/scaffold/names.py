"""What a new tool or agent may be called: its name becomes a module, a function, a constant and an address."""

import ast
import builtins
import keyword
import re
import sys
from collections.abc import Iterable
from typing import Final

from app.errors import InvalidInput

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# No line of a template with a name in it is then too long; providers take 64 for tools.
MAX_LENGTH: Final = 40


def check_form(name: str) -> None:
    """Raise InvalidInput for a name that Python or the linter cannot bear."""
    if not _NAME.fullmatch(name) or len(name) > MAX_LENGTH:
        raise InvalidInput(
            f"{name!r} is no name: take lower-case words with _ between them, such as order_status; {MAX_LENGTH} letters at most."
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise InvalidInput(f"{name} is a word of Python itself.")
    if name in sys.stdlib_module_names or hasattr(builtins, name):
        raise InvalidInput(f"{name} is a module or function of Python itself, which this would hide.")


def check_meaning(name: str, sources: Iterable[str]) -> None:
    """Raise InvalidInput for a name that stands for something else in one of these source texts, which will have it in them."""
    if {name, name.upper()} & {identifier for source in sources for identifier in _identifiers(source)}:
        raise InvalidInput(f"{name} means something else already where it would stand. Take another name.")


def _identifiers(source: str) -> Iterable[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
