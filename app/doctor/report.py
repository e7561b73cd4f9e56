"""What was found, as a table for people and as JSON for programs."""

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from app import VERSION
from app.doctor.findings import Checked, State

SCHEMA: Final = 1
_WIDTH: Final = 120
_NARROWEST: Final = 40
_WORST_FIRST: Final = (State.FAILED, State.WARNING, State.OK)


def overall(checks: Sequence[Checked]) -> State:
    states = {check.finding.state for check in checks}
    return next((state for state in _WORST_FIRST if state in states), State.OK)


def table(checks: Sequence[Checked]) -> str:
    """State, name and finding in columns; under it what to do, where there is anything."""
    name_width = max(len(check.name) for check in checks)
    margin = len(State.WARNING) + 2 + name_width + 2
    columns = max(shutil.get_terminal_size((_WIDTH, 0)).columns - margin, _NARROWEST)
    lines = [line for check in checks for line in _rows(check, name_width, margin, columns)]
    counts = [f"{sum(check.finding.state is state for check in checks)} {state}" for state in State]
    return "\n".join([*lines, "", f"Milepost {VERSION}: {', '.join(counts)}."]) + "\n"


def _rows(check: Checked, name_width: int, margin: int, columns: int) -> Iterator[str]:
    head = f"{check.finding.state:<{len(State.WARNING)}}  {check.name:<{name_width}}  "
    found = [part for line in check.finding.found.split("\n") for part in textwrap.wrap(line, columns) or [""]]
    advice = textwrap.wrap(f"→ {check.finding.advice}", columns, subsequent_indent="  ") if check.finding.advice else []
    for number, line in enumerate([*found, *advice]):
        yield f"{head if number == 0 else ' ' * margin}{line}".rstrip()


def as_json(checks: Sequence[Checked]) -> str:
    told = [
        {
            "name": check.name,
            "state": check.finding.state,
            "found": check.finding.found,
            "advice": check.finding.advice,
            "seconds": round(check.seconds, 3),
        }
        for check in checks
    ]
    whole = {"schema": SCHEMA, "version": VERSION, "state": overall(checks), "checks": told}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
