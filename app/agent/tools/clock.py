"""What time it is, anywhere: zones and cities come from the time zone database itself."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from langchain_core.tools import ToolException, tool

from app.agent.marks import safe_to_repeat

MAX_ZONE_LENGTH: Final = 64

# Only below these does a zone's last part name a place; "US/Central" and "Etc/GMT+1" have none.
_REGIONS: Final = frozenset({"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"})


@safe_to_repeat
@tool
async def current_time(zone: str = "UTC") -> str:
    """Tell the date and time now. `zone` is an IANA time zone such as Europe/Oslo, or a large city such as New York."""
    # Zones are files, and the first call reads all of them.
    return await asyncio.to_thread(describe_time, datetime.now(UTC), zone)


def describe_time(moment: datetime, zone: str) -> str:
    """Say in a sentence what `moment` is in a zone or city; raise ToolException with close names when there is none."""
    found = _find_zone(zone)
    local = moment.astimezone(ZoneInfo(found))
    return f"It is {local:%A}, {local.day} {local:%B %Y}, {local:%H:%M:%S} in {found} (UTC{local:%:z})."


def _find_zone(zone: str) -> str:
    names = _zones_by_name()
    wanted = _plain(zone[:MAX_ZONE_LENGTH]) or "utc"
    # "Oslo, Norway" is as good a name as "Oslo".
    if found := names.get(wanted) or names.get(wanted.split(",")[0].rstrip()):
        return found
    close = dict.fromkeys(names[name] for name in get_close_matches(wanted, names, n=5))
    advice = f"Did you mean {', '.join(close)}?" if close else "Give an IANA name such as Europe/Oslo or America/New_York."
    raise ToolException(f"There is no time zone or city of this name. {advice}")


@cache
def _zones_by_name() -> Mapping[str, str]:
    zones = sorted(available_timezones())
    cities = {_plain(zone.rpartition("/")[2]): zone for zone in zones if zone.partition("/")[0] in _REGIONS}
    return cities | {_plain(zone): zone for zone in zones}


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
