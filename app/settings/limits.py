"""Who may ask how much: limits by address, and where the users' tiers are named."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from app.settings.sections import CommaSeparated, RootedPath, Section

_MOST: Final = 1_000_000_000
# As `limits` reads it, which would take more than we mean: nothing shorter than a second, and no month of some days.
_RATE: Final = re.compile(r"([0-9]{1,10})\s*(?:per|/)\s*(?:[1-9][0-9]{0,3}\s+)?(?:second|minute|hour|day)s?")


def _rates(text: str) -> str:
    found = [_RATE.fullmatch(part.strip().lower()) for part in text.split(";")]
    if not all(one and 0 < int(one[1]) <= _MOST for one in found):
        raise ValueError("must be like `30 per minute`, or several of these with a semicolon between")
    return text


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError("must be addresses or networks like 10.0.0.0/8, separated by commas") from None
    return texts


Rates = Annotated[str, AfterValidator(_rates)]
Networks = Annotated[CommaSeparated, AfterValidator(_networks)]


class LimitSettings(Section):
    tiers_file: RootedPath = Field(
        Path("tiers.yaml"), validation_alias="TIERS_FILE", description="Where tiers are named, with what their users may do"
    )
    answer_tokens: int = Field(
        4_096,
        ge=1,
        le=1_000_000,
        validation_alias="QUOTA_ANSWER_TOKENS",
        description="Tokens set aside for an answer of a model for which models.yaml names no max_tokens",
    )
    are_on: bool = Field(
        True, validation_alias="RATE_LIMIT_ENABLED", description="Limit requests by address and by user; quotas hold in any case"
    )
    fails_closed: bool = Field(
        False,
        validation_alias="RATE_LIMIT_FAIL_CLOSED",
        description="While REDIS_URL is away, refuse what is limited instead of counting in each server for itself",
    )
    default: Rates = Field(
        "200 per day; 50 per hour",
        validation_alias="RATE_LIMIT_DEFAULT",
        description="Requests of one address to what none of the next names",
    )
    login: Rates = Field(
        "20 per minute",
        validation_alias="RATE_LIMIT_LOGIN",
        description="The same, to log in, register and whatever else proves who one is",
    )
    chat: Rates = Field("30 per minute", validation_alias="RATE_LIMIT_CHAT", description="The same, for answers in one piece")
    stream: Rates = Field("20 per minute", validation_alias="RATE_LIMIT_STREAM", description="The same, for answers as a stream")
    read: Rates = Field("600 per minute", validation_alias="RATE_LIMIT_READ", description="The same, to read what is there")
    write: Rates = Field("120 per minute", validation_alias="RATE_LIMIT_WRITE", description="The same, to change it")
    page: Rates = Field("1200 per minute", validation_alias="RATE_LIMIT_PAGE", description="The same, for the files of the page")
    trusted_proxies: Networks = Field(
        (),
        validation_alias="TRUSTED_PROXIES",
        description="Networks of the proxies whose word is taken for an address, separated by commas; empty is nobody's",
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for",
        validation_alias="TRUSTED_PROXY_HEADER",
        description="The header that they write it in, x-forwarded-for or forwarded; the other is not read, for anybody may send it",
    )
