"""What a call costs, from what a provider counts and the prices that are known."""

import subprocess
import sys
from typing import Any, cast

import pytest
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from app.llm.catalog import ModelSpec, Prices
from app.llm.money import Price, counted, price_of, total_usd
from app.settings import ModelSettings

PRICED = Prices(input=2, cached_input=0.5, output=10)
UNCOUNTED = {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "reasoning_tokens": 0, "cost_usd": None}


def used(input_tokens: int, output_tokens: int, cached: int = 0, reasoning: int = 0, kept: int = 0) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        input_token_details=InputTokenDetails(cache_read=cached, cache_creation=kept),
        output_token_details=OutputTokenDetails(reasoning=reasoning),
    )


def price(openai_base_url: str = "", **spec: Any) -> Price | None:
    return price_of(
        ModelSpec.model_construct(**{"name": "gpt-5", "provider": "openai", **spec}), ModelSettings(OPENAI_BASE_URL=openai_base_url)
    )


def cost(of: Price | None, usage: UsageMetadata) -> float | None:
    return counted(of, usage)["cost_usd"]


def test_a_call_costs_what_the_catalog_says() -> None:
    call = counted(PRICED, used(1000, 100, cached=400, reasoning=30))
    assert (call["input_tokens"], call["output_tokens"], call["cached_tokens"], call["reasoning_tokens"]) == (1000, 100, 400, 30)
    assert call["cost_usd"] == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 10) / 1e6)


def test_a_price_that_is_not_known_is_not_made_up() -> None:
    assert cost(None, used(1, 1)) is None


def test_a_call_that_was_not_counted_has_a_price_that_nobody_knows() -> None:
    assert counted(PRICED, None) == UNCOUNTED


def test_a_provider_that_does_not_count_details_counts_none() -> None:
    counts = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_token_details": {"cache_read": None}}
    call = counted(PRICED, cast("UsageMetadata", counts))
    assert (call["cached_tokens"], call["reasoning_tokens"]) == (0, 0)


def test_a_provider_that_miscounts_gives_nobody_money_back() -> None:
    assert cost(PRICED, used(10, -5, cached=99)) == pytest.approx(10 * 0.5 / 1e6)
    assert counted(None, used(10**30, 1))["input_tokens"] < 2**31, "what the ledger can hold"


def test_the_catalogs_price_wins_over_a_published_one() -> None:
    own = ModelSpec(name="gpt-5", prices=PRICED)
    assert price_of(own, ModelSettings()) is own.prices


@pytest.mark.parametrize("address", ["", "https://api.openai.com/v1"])
def test_a_model_without_a_price_in_the_catalog_has_its_providers(address: str) -> None:
    gpt = price(base_url=address)
    assert gpt
    assert (gpt.input, gpt.cached_input, gpt.output) == (1.25, 0.125, 10)
    assert cost(gpt, used(1000, 100, cached=400)) == pytest.approx((600 * 1.25 + 400 * 0.125 + 100 * 10) / 1e6)


@pytest.mark.parametrize(
    "spec",
    [
        {"base_url": "http://localhost:11434/v1"},
        {"base_url": "https://api.openai.com.example.org/v1"},
        {"openai_base_url": "http://localhost:11434/v1"},
        {"name": "my-own"},
        {"model": "ft:gpt-4o-mini:org::id"},
        {"name": "text-embedding-3-small"},
        {"provider": "demo"},
        {"provider": "ollama"},
        {"provider": "anthropic", "name": "claude-sonnet-4-5", "base_url": "https://claude.example.org"},
    ],
)
def test_what_another_server_calls_by_a_known_name_has_no_known_price(spec: dict[str, str]) -> None:
    assert price(**spec) is None


def test_a_long_prompt_and_one_that_is_kept_cost_what_the_provider_says() -> None:
    claude = price(provider="anthropic", name="claude-sonnet-4-5", openai_base_url="http://localhost:1/v1")
    assert claude
    assert (claude.input, claude.output) == (3, 15)
    assert cost(claude, used(1000, 10, kept=400)) == pytest.approx((600 * 3 + 400 * 3.75 + 10 * 15) / 1e6)
    assert cost(claude, used(300_000, 10)) == pytest.approx((300_000 * 6 + 10 * 22.5) / 1e6)


def test_a_sum_is_the_ledgers_to_the_last_digit() -> None:
    assert total_usd([0.1] * 10) == 1
    assert total_usd([1e-12, 1e3, 1e-12]) == 1000.000000000002


def test_published_prices_are_loaded_only_where_the_catalog_has_none() -> None:
    """In a process of its own, for another test may have loaded them."""
    script = """
import sys
from pathlib import Path
from app.llm.catalog import read_catalog
from app.llm.money import price_of
from app.settings import ModelSettings
specs = read_catalog(Path("models.yaml"))
assert all(price_of(spec, ModelSettings()) for spec in specs)
assert "genai_prices" not in sys.modules
assert price_of(specs[0].model_copy(update={"prices": None}), ModelSettings())
assert "genai_prices" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)  # noqa: S603  # our own words
