"""What is on this machine: the settings, the files they name, and the folder for what the server writes."""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.doctor.files import faults_of_files, named_files
from app.doctor.findings import Finding, failed, ok, warning
from app.errors import SettingsInvalid
from app.llm.catalog import read_catalog
from app.settings import ROOT, Environment, Settings
from app.settings.loading import settings_file

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_GIBI: Final = 2**30
_LEAST_BYTES: Final = _GIBI // 4
_FEW_BYTES: Final = 2 * _GIBI
_WRITING: Final = os.R_OK | os.W_OK | os.X_OK


async def check_settings(settings: Settings) -> Finding:
    """They could be loaded, so what production refuses is not in them: here is what it bears and should not have to."""
    file = settings_file(ROOT, settings.environment)
    found = f"{settings.environment}, from {file.name if file else 'the environment alone'}"
    if weak := [*_weak(settings), *_open(file)]:
        return warning("\n".join([found, *(fault for fault, _ in weak)]), " ".join(advice for _, advice in weak))
    return ok(found)


def _weak(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.environment not in {Environment.PRODUCTION, Environment.STAGING}:
        return
    if not settings.database.url:
        yield "DATABASE_URL is not set: the embedded Postgres serves one machine, and nobody backs it up.", "Set DATABASE_URL."
    if not settings.server.is_public_over_tls:
        yield "PUBLIC_URL does not begin with https://.", "Put a proxy with TLS in front, and set PUBLIC_URL to its address."
    if settings.metrics.are_on and not settings.metrics.token.get_secret_value():
        yield "METRICS_TOKEN is not set: /metrics shows nothing.", "Set METRICS_TOKEN, or METRICS_ENABLED=false."


def _open(file: Path | None) -> Iterator[tuple[str, str]]:
    if file and file.stat().st_mode & _OTHERS:
        yield f"{file.name} holds secrets and is not its owner's alone.", f"chmod 600 {file.name}"


async def check_files(settings: Settings) -> Finding:
    # In a thread, for it may import all tools.
    if faults := await asyncio.to_thread(lambda: [*_faults_of_models(settings), *faults_of_files(settings)]):
        return failed("\n".join(dict.fromkeys(faults)), "Put the file there, readable for the server's user, or change the variable.")
    return ok(", ".join(f"{variable} {file.name}" for variable, file in named_files(settings).items()))


def _faults_of_models(settings: Settings) -> Iterator[str]:
    try:
        read_catalog(settings.models.models_file)
    except SettingsInvalid as error:
        yield error.detail


async def check_folder(settings: Settings) -> Finding:
    """Asked of the system, not tried: a try would write."""
    folder = settings.database.data_dir
    there = _nearest(folder)
    if not there.is_dir() or not os.access(there, _WRITING):
        return failed(f"DATA_DIR: {folder} cannot be written to.", "Give it to the server's user, or set DATA_DIR to a folder of its own.")
    return ok(f"DATA_DIR {folder}" + ("" if there == folder else ", which the server will make"))


async def check_disk(settings: Settings) -> Finding:
    disk = shutil.disk_usage(_nearest(settings.database.data_dir))
    return finding_of_disk(disk.free, disk.total)


def finding_of_disk(free_bytes: int, total_bytes: int) -> Finding:
    found = f"{free_bytes / _GIBI:.1f} of {total_bytes / _GIBI:.1f} GiB are free where DATA_DIR is"
    advice = "Make room, or move DATA_DIR to a larger disk."
    if free_bytes < _LEAST_BYTES:
        return failed(found, advice)
    return warning(found, advice) if free_bytes < _FEW_BYTES else ok(found)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the one it would be made in."""
    return next(there for there in (folder, *folder.parents) if there.exists())
