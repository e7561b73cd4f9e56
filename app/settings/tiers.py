"""tiers.yaml: what the users of each tier may do."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.errors import SettingsInvalid
from app.settings.files import read_yaml

_ALL: Final = "all"


def _listed(value: object) -> object:
    """None for all."""
    if value == _ALL:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("must be all, or a list of names")
    return frozenset(value)


Allowed = Annotated[frozenset[str] | None, BeforeValidator(_listed)]
Tokens = Annotated[int, Field(gt=0, le=1_000_000_000_000)]
Dollars = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]

log = structlog.get_logger()


class Tier(BaseModel):
    """Where a number may be left out, None is no limit; of `models` and `tools` None is all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=64)]
    requests_per_second: Annotated[float, Field(ge=0.001, le=100_000, allow_inf_nan=False)]
    burst: Annotated[int, Field(gt=0, le=1_000_000)]
    concurrent_runs: Annotated[int, Field(gt=0, le=100_000)] | None = None
    tokens_per_day: Tokens | None = None
    tokens_per_month: Tokens | None = None
    cost_per_day_usd: Dollars | None = None
    cost_per_month_usd: Dollars | None = None
    models: Allowed = None
    tools: Allowed = None
    api_keys: Annotated[int, Field(ge=0, le=10_000)] = 10
    attachment_bytes: Annotated[int, Field(ge=0, le=1_000_000_000_000_000)] | None = None

    @property
    def counts(self) -> bool:
        """Whether what its users' runs come to must be counted before they begin."""
        return any((self.concurrent_runs, self.tokens_per_day, self.tokens_per_month, self.cost_per_day_usd, self.cost_per_month_usd))

    def may_ask(self, model: str) -> bool:
        return self.models is None or model in self.models


# Of those who are asked for nothing: tests, and code that runs without a server.
UNLIMITED: Final = Tier(name="unlimited", requests_per_second=100_000, burst=1_000_000)


class Tiers:
    """The first is that of users whose tier nobody knows."""

    def __init__(self, tiers: Sequence[Tier] = (UNLIMITED,)) -> None:
        self._tiers = {tier.name: tier for tier in tiers}
        self._first = tiers[0]
        self._unknown: set[str] = set()

    def __iter__(self) -> Iterator[Tier]:
        return iter(self._tiers.values())

    def of(self, name: str) -> Tier:
        if found := self._tiers.get(name):
            return found
        if name not in self._unknown:
            self._unknown.add(name)
            log.warning("unknown_tier", tier=name, taken_for=self._first.name)
        return self._first

    @property
    def names(self) -> Collection[str]:
        return self._tiers.keys()


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tiers: Annotated[list[Tier], Field(min_length=1)]


def read_tiers(file: Path) -> Tiers:
    """Raise SettingsInvalid, with a line for each place in the file that is wrong."""
    tiers = read_yaml("TIERS_FILE", file, _File).tiers
    names = [tier.name for tier in tiers]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsInvalid(f"TIERS_FILE: {file.name} names {', '.join(repeated)} more than once.")
    return Tiers(tiers)
