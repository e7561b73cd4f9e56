"""What a call costs, from what a provider counts."""

from typing import cast

import pytest
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from app.llm.catalog import ModelSpec, Prices
from app.llm.money import counted

PRICED = ModelSpec(name="priced", prices=Prices(input=2, cached_input=0.5, output=10))


def used(input_tokens: int, output_tokens: int, cached: int = 0, reasoning: int = 0) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        input_token_details=InputTokenDetails(cache_read=cached),
        output_token_details=OutputTokenDetails(reasoning=reasoning),
    )


def test_a_call_costs_what_the_catalog_says() -> None:
    call = counted(PRICED, used(1000, 100, cached=400, reasoning=30))
    assert (call["input_tokens"], call["output_tokens"], call["cached_tokens"], call["reasoning_tokens"]) == (1000, 100, 400, 30)
    assert call["cost_usd"] == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 10) / 1e6)


def test_a_price_that_is_not_known_is_not_made_up() -> None:
    assert counted(ModelSpec(name="own"), used(1, 1))["cost_usd"] is None


def test_a_call_that_was_not_counted_has_a_price_that_nobody_knows() -> None:
    assert counted(PRICED, None) == {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "reasoning_tokens": 0, "cost_usd": None}


def test_a_provider_that_does_not_count_details_counts_none() -> None:
    counts = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_token_details": {"cache_read": None}}
    call = counted(PRICED, cast("UsageMetadata", counts))
    assert (call["cached_tokens"], call["reasoning_tokens"]) == (0, 0)
