"""Calls of models, what they are kept from by breakers and the response cache, and what judges say of their answers."""

from contextlib import ExitStack
from typing import Final

from app import signals
from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.ear import hear

# OpenTelemetry's word for what we ask of a model.
CHAT: Final = "chat"
STATES: Final = ("closed", "open", "half_open")
_OPEN: Final = "open"

_seconds = Children(metrics.MODEL_SECONDS)
_first_tokens = Children(metrics.MODEL_FIRST_TOKEN_SECONDS)
_per_token = Children(metrics.MODEL_TOKEN_SECONDS)
_tokens = Children(metrics.MODEL_TOKENS)
_cost = Children(metrics.MODEL_COST)
_unpriced = Children(metrics.MODEL_UNPRICED)
_retries = Children(metrics.MODEL_RETRIES)
_fallbacks = Children(metrics.MODEL_FALLBACKS)
_resets = Children(metrics.MODEL_RESETS)
_state = Children(metrics.BREAKER_STATE)
_opened = Children(metrics.BREAKERS_OPENED)
_cache = Children(metrics.CACHE_REQUESTS)
_scores = Children(metrics.EVAL_SCORE)
_judgements = Children(metrics.EVAL_JUDGEMENTS)


def listen(ears: ExitStack) -> None:
    hear(ears, signals.model_called, _called)
    hear(ears, signals.model_retried, lambda model, error: _retries(model, error).inc())
    hear(ears, signals.model_fell_back, lambda model, next_model, error: _fallbacks(model, next_model, error).inc())
    hear(ears, signals.answer_reset, lambda model: _resets(model).inc())
    hear(ears, signals.breaker_moved, _breaker_moved)
    hear(ears, signals.cache_asked, lambda result: _cache(result).inc())
    hear(ears, signals.judged, _judged)


def show_breaker(model: str, state: str) -> None:
    for one in STATES:
        _state(model, one).set(one == state)


def _breaker_moved(model: str, state: str) -> None:
    show_breaker(model, state)
    if state == _OPEN:
        _opened(model).inc()


def _judged(metric: str, outcome: str, score: float | None) -> None:
    _judgements(metric, outcome).inc()
    if score is not None:
        _scores(metric).observe(score)


def _called(
    *,
    model: str,
    purpose: str,
    error: str,
    seconds: float,
    first_token_seconds: float | None,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    reasoning_tokens: int,
    cost_usd: float | None,
    from_cache: bool,
) -> None:
    if from_cache:  # nobody was asked
        return
    _seconds(model, CHAT, error).observe(seconds)
    if first_token_seconds is not None:
        _first_tokens(model).observe(first_token_seconds)
        if output_tokens > 1 and not error:
            _per_token(model).observe(max(seconds - first_token_seconds, 0) / (output_tokens - 1))
    counted = {"input": input_tokens, "output": output_tokens, "cached": cached_tokens, "reasoning": reasoning_tokens}
    for kind, tokens in counted.items():
        if tokens:
            _tokens(model, purpose, kind).inc(tokens)
    if cost_usd is not None:
        _cost(model, purpose).inc(cost_usd)
    elif input_tokens or output_tokens:
        _unpriced(model).inc()
