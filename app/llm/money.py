"""Tokens as providers count them, and what they cost."""

import math
from collections.abc import Iterable, Mapping
from typing import Final, Protocol, TypedDict

from langchain_core.messages.ai import UsageMetadata

from app.llm.catalog import ModelSpec, is_openai
from app.settings import ModelSettings

# More than any call has; a provider that counts more miscounts, and the ledger has no room for it.
_MOST_TOKENS: Final = 100_000_000
# Millionths of a millionth of a dollar: a sum of so exact amounts is the same in Python as in Postgres.
_DIGITS: Final = 12
# LangChain's names of providers whose prices are published, and those of genai-prices.
_PRICE_LISTS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google_genai": "google",
    "google_vertexai": "google",
    "azure_openai": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "anthropic_bedrock": "aws",
    "mistralai": "mistral",
    "cohere": "cohere",
    "groq": "groq",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "together": "together",
    "perplexity": "perplexity",
    "openrouter": "openrouter",
    "xai": "x-ai",
}


class Price(Protocol):
    """US dollars per million tokens, as shown, and what a call comes to."""

    @property
    def input(self) -> float: ...
    @property
    def cached_input(self) -> float | None: ...
    @property
    def output(self) -> float: ...

    def cost_usd(self, *, input_tokens: int, cached_tokens: int, output_tokens: int, kept_tokens: int = 0) -> float | None:
        """What a call cost; cached tokens, and those that the provider has kept for later, are among the input's."""
        ...


class Counted(TypedDict):
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None


def price_of(spec: ModelSpec, settings: ModelSettings) -> Price | None:
    """The catalog's price, else the one that its provider has published; None where nobody knows it."""
    if spec.prices:
        return spec.prices
    address = spec.base_url or (settings.openai_base_url if spec.provider == "openai" else "")
    price_list = _PRICE_LISTS.get(spec.provider)
    # Another server may call its model as it likes.
    if price_list is None or not is_openai(address):
        return None
    # A CPU second that a server does not spend whose catalog has all prices.
    from app.llm.known_prices import known_price  # noqa: PLC0415

    return known_price(price_list, spec.id_at_provider)


def counted(price: Price | None, usage: UsageMetadata | None) -> Counted:
    """The tokens of a call and their price; a call that was not counted has no tokens, and a cost that nobody knows."""
    if usage is None:
        return Counted(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, cost_usd=None)
    read, written = usage.get("input_token_details", {}), usage.get("output_token_details", {})
    input_tokens, output_tokens = _sound(usage["input_tokens"]), _sound(usage["output_tokens"])
    cached_tokens = min(_sound(read.get("cache_read")), input_tokens)
    # Anthropic's are told by how long they are kept, and then not once more as a whole.
    kept = sum(_sound(read.get(kind)) for kind in ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"))
    kept_tokens = min(kept, input_tokens - cached_tokens)
    tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cached_tokens": cached_tokens}
    cost_usd = price.cost_usd(**tokens, kept_tokens=kept_tokens) if price else None
    return Counted(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
        reasoning_tokens=_sound(written.get("reasoning")),
        cost_usd=None if cost_usd is None else round(cost_usd, _DIGITS),
    )


def total_usd(costs: Iterable[float]) -> float:
    """The sum as the ledger has it."""
    return round(math.fsum(costs), _DIGITS)


def _sound(count: object) -> int:
    return min(max(count, 0), _MOST_TOKENS) if isinstance(count, int) else 0
