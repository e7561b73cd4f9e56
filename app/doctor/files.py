"""The files that settings name: each is there, can be read, and says what makes sense."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from app.errors import SettingsInvalid
from app.settings import Settings
from app.tiers import checked_tiers


def check_files(settings: Settings) -> None:
    """Raise SettingsInvalid, with what is wrong with each of them."""
    if faults := [*faults_of_files(settings)]:
        raise SettingsInvalid("\n".join(faults))


def faults_of_files(settings: Settings) -> Iterator[str]:
    for check in _CHECKS:
        try:
            check(settings)
        except SettingsInvalid as error:
            yield error.detail


def named_files(settings: Settings) -> Mapping[str, Path]:
    """Those that are named, by their variable."""
    files = {
        "MODELS_FILE": settings.models.models_file,
        "TIERS_FILE": settings.limits.tiers_file,
        "MCP_FILE": settings.mcp.file,
        "MODERATION_BLOCKLIST": settings.hooks.blocklist,
    }
    return {variable: file for variable, file in files.items() if file}


# What only some servers have is not imported for the others.
def _check_servers(settings: Settings) -> None:
    if settings.mcp.file:
        from app.agent.mcp.file import read_servers  # noqa: PLC0415

        read_servers(settings.mcp.file, settings.mcp_variables)


def _check_blocklist(settings: Settings) -> None:
    if settings.hooks.blocklist:
        from app.agent.hooks.blocklist import open_blocklist  # noqa: PLC0415

        open_blocklist(settings.hooks.blocklist)


_CHECKS: Final[Sequence[Callable[[Settings], object]]] = (checked_tiers, _check_servers, _check_blocklist)
