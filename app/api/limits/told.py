"""What answers tell of limits: the headers of draft-ietf-httpapi-ratelimit-headers, as structured fields (RFC 9651)."""

import math
from dataclasses import dataclass, field
from typing import Final, cast

from starlette.types import Message, Scope

_KEY: Final = "milepost_told"


@dataclass(frozen=True, slots=True)
class Policy:
    """One limit, and where the request stands with it: so much in so many seconds, so much left, for so long."""

    name: str
    most: int
    window_seconds: float
    left: int
    seconds_left: float
    unit: str = ""

    @property
    def rule(self) -> str:
        unit = f';qu="{self.unit}"' if self.unit else ""
        return f'"{self.name}";q={self.most};w={math.ceil(self.window_seconds)}{unit}'

    @property
    def state(self) -> str:
        return f'"{self.name}";r={self.left};t={math.ceil(self.seconds_left)}'


@dataclass(slots=True)
class Told:
    """All that is known of a request's limits when its answer begins."""

    policies: list[Policy] = field(default_factory=list)
    user: Policy | None = None

    def head(self, message: Message) -> None:
        """Add the headers to the beginning of an answer."""
        if self.policies:
            rules, states = ", ".join(one.rule for one in self.policies), ", ".join(one.state for one in self.policies)
            message["headers"] = [
                *message["headers"],
                (b"ratelimit-policy", rules.encode()),
                (b"ratelimit", states.encode()),
            ]


def told_of(scope: Scope) -> Told:
    """The request's own, which the middleware reads when the answer begins."""
    if _KEY not in scope:
        scope[_KEY] = Told()
    return cast("Told", scope[_KEY])
