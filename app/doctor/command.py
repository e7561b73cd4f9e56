"""What the command says, and with which code it leaves."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from app.doctor.examining import examine, unusable
from app.doctor.findings import Checked, State
from app.doctor.report import as_json, overall, table
from app.errors import SettingsInvalid
from app.observability.logging import set_up_logging
from app.settings import LogSettings, load_settings

_FAILED: Final = 1
_UNUSABLE: Final = 2


def doctor(seconds: float, *, as_data: bool, strict: bool) -> int:
    """0 where nothing has failed, 1 where something has (or warns, where that counts), 2 for settings that cannot be read."""
    # What the parts would log is told by the checks.
    set_up_logging(LogSettings.model_construct(level="error", format="console"), sys.stderr)
    try:
        settings = load_settings()
    except SettingsInvalid as error:
        _tell(unusable(error), as_data=as_data)
        return _UNUSABLE
    # Told before the loop ends, which waits for a resolver of names that hangs.
    with asyncio.Runner() as runner:
        checks = runner.run(examine(settings, seconds))
        _tell(checks, as_data=as_data)
    worst = overall(checks)
    return _FAILED if worst is State.FAILED or (strict and worst is State.WARNING) else 0


def _tell(checks: Sequence[Checked], *, as_data: bool) -> None:
    sys.stdout.write(as_json(checks) if as_data else table(checks))
    sys.stdout.flush()
