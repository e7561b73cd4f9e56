"""Prices that providers have published, as the package genai-prices ships them; nothing is fetched.

Apart, for importing it takes a CPU second.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """A model's published price, which may depend on the prompt's length, the day and the hour."""

    provider: Provider
    model: ModelInfo

    @property
    def input(self) -> float:
        return _dollars(_price_now(self.model).input_mtok) or 0

    @property
    def cached_input(self) -> float | None:
        return _dollars(_price_now(self.model).cache_read_mtok)

    @property
    def output(self) -> float:
        return _dollars(_price_now(self.model).output_mtok) or 0

    def cost_usd(self, *, input_tokens: int, cached_tokens: int, output_tokens: int, kept_tokens: int = 0) -> float | None:
        """None where the package cannot make sense of such counts for this model."""
        usage = Usage(
            input_tokens=input_tokens, cache_read_tokens=cached_tokens, cache_write_tokens=kept_tokens, output_tokens=output_tokens
        )
        try:
            return float(self.model.calc_price(usage, self.provider).total_price)
        except ValueError:
            return None


def known_price(price_list: str, model: str) -> KnownPrice | None:
    """The price of a model by its provider's id for it; None when the list does not name it, or not both of its prices."""
    try:
        found = KnownPrice(*get_snapshot().find_provider_model(model, None, price_list, None))
    except LookupError:
        return None
    price = _price_now(found.model)
    return None if price.input_mtok is None or price.output_mtok is None else found


def _price_now(model: ModelInfo) -> ModelPrice:
    return model.get_prices(datetime.now(UTC))


def _dollars(price: Decimal | TieredPrices | None) -> float | None:
    """What is paid up to the first step."""
    return None if price is None else float(price.base if isinstance(price, TieredPrices) else price)
