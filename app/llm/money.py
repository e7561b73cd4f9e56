"""Tokens as providers count them, and what they cost."""

from typing import TypedDict

from langchain_core.messages.ai import UsageMetadata

from app.llm.catalog import ModelSpec


class Counted(TypedDict):
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None


def counted(spec: ModelSpec, usage: UsageMetadata | None) -> Counted:
    """The tokens of a call and their price; a call that was not counted has no tokens, and a cost that nobody knows."""
    if usage is None:
        return Counted(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, cost_usd=None)
    cached_tokens = usage.get("input_token_details", {}).get("cache_read") or 0
    reasoning_tokens = usage.get("output_token_details", {}).get("reasoning") or 0
    tokens = {"input_tokens": usage["input_tokens"], "output_tokens": usage["output_tokens"], "cached_tokens": cached_tokens}
    cost_usd = spec.prices.cost_usd(**tokens) if spec.prices else None
    return Counted(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cached_tokens=cached_tokens,
        reasoning_tokens=reasoning_tokens,
        cost_usd=cost_usd,
    )
