"""What requests are counted with, by address and by user."""

from dataclasses import dataclass, field

from app.accounts.buckets import Buckets
from app.accounts.windows import Windows
from app.persistence.scripts import Scripts
from app.settings import LimitSettings, Tiers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    tiers: Tiers
    are_on: bool = True
    windows: Windows = field(default_factory=Windows)
    buckets: Buckets = field(default_factory=Buckets)


def rates_of(settings: LimitSettings, tiers: Tiers, scripts: Scripts | None) -> Rates:
    closed = settings.fails_closed
    windows, buckets = Windows(scripts, fails_closed=closed), Buckets(scripts, fails_closed=closed)
    return Rates(tiers=tiers, are_on=settings.are_on, windows=windows, buckets=buckets)
