"""All checks at once, each with its own time."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Final

from app.doctor.database import NAMES, check_database
from app.doctor.findings import Check, Checked, checked, failed, not_checked
from app.doctor.machine import check_disk, check_files, check_folder, check_settings
from app.doctor.models import AWAY, model_checks
from app.doctor.services import ADVICE, service_checks
from app.errors import SettingsInvalid
from app.settings import Settings

_SERVICES: Final = (*NAMES, "models", "embedder", *ADVICE)
_MACHINE: Final = ("files", "data_dir", "disk")


async def examine(settings: Settings, seconds: float) -> Sequence[Checked]:
    """A check for each thing, in an order that stays; one that has no answer takes so many seconds, the database's twice as many."""
    if settings.tracing.has_langfuse:
        import_module("langfuse.api")  # seconds that would count as its silence
    database, *others = await asyncio.gather(
        check_database(settings, seconds),
        _all({"settings": partial(check_settings, settings), **_of_machine(settings)}, seconds),
        _all(model_checks(settings), seconds, AWAY),
        _all(service_checks(settings, seconds), seconds),
    )
    machine, models, services = others
    return [*machine, *database, *models, *services]


def unusable(error: SettingsInvalid) -> Sequence[Checked]:
    """What can be said where the settings cannot even be read."""
    finding = failed(error.detail, "Correct what is named; .env.example has every variable.")
    others = (not_checked(name, "The settings cannot be used.") for name in (*_MACHINE, *_SERVICES))
    return [Checked(name="settings", finding=finding, seconds=0), *others]


def _of_machine(settings: Settings) -> Mapping[str, Check]:
    checks = (check_files, check_folder, check_disk)
    return {name: partial(check, settings) for name, check in zip(_MACHINE, checks, strict=True)}


async def _all(checks: Mapping[str, Check], seconds: float, advice: str = "") -> Sequence[Checked]:
    return await asyncio.gather(*(checked(name, check, seconds, advice=ADVICE.get(name, advice)) for name, check in checks.items()))
