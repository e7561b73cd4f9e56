"""The series that there are before anything has happened: a rate begins at 0, and the first failure is one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from app import errors
from app.errors import AppError
from app.errors.outcomes import outcome_of
from app.observability import metrics
from app.observability.hearing.models import CHAT, STATES

_TOKENS: Final = ("input", "output", "cached", "reasoning")
_ENDS: Final = ("completed", "interrupted", "cancelled", "refused", "failed")
_TOOL_ENDS: Final = ("ok", "error", "failed", "timeout")
# What another try, or another model, may mend.
_PASSING: Final = (errors.ModelUnavailable, errors.ModelRateLimited, errors.ModelTimeout, errors.ModelBadAnswer)
# What may end a run before it is done, beside a question.
_ENDED_BY: Final[tuple[type[AppError], ...]] = (
    *_PASSING,
    AppError,
    errors.ModelError,
    errors.ModelAuthFailed,
    errors.ModelForbidden,
    errors.ModelRejected,
    errors.ModelRefused,
    errors.AnswerWithheld,
    errors.ContentHookFailed,
    errors.DatabaseUnavailable,
    errors.DatabaseRefused,
    errors.QuotaExceeded,
    errors.CostLimitReached,
    errors.StepLimitReached,
    errors.RunTimeout,
    errors.RunCancelled,
    errors.AttemptsExhausted,
)
# Where traces may go.
_BACKENDS: Final = ("langfuse", "otlp")
# Label sets that no file and no code elsewhere names.
_STANDING: Final[Sequence[tuple[MetricWrapperBase, Sequence[Sequence[str]]]]] = (
    (metrics.STREAMS, [("ended", "hung_up", "login_over", "closing", "failed")]),
    (metrics.CACHE_REQUESTS, [("hit", "miss", "shared")]),
    (metrics.RECALL_SECONDS, [("found", "nothing", "failed", "timeout", "left_alone")]),
    (metrics.REMEMBER_SECONDS, [("kept", "nothing", "failed")]),
    (metrics.QUOTA_RESERVATIONS, [("reserved", "extended", "settled", "released", "refused")]),
    (metrics.LOGINS, [("password", "page", "oidc"), ("ok", "wrong", "locked", "disabled", "failed")]),
    (metrics.TOKENS_REFUSED, [("expired", "revoked", "invalid", "unknown")]),
    (metrics.LOCKOUTS, [("account", "address")]),
    (metrics.WEBHOOK_DELIVERIES, [("ok", "failed", "given_up")]),
    (metrics.MAILS, [("ok", "failed")]),
    (metrics.TRACE_SPANS, [_BACKENDS, ("ok", "failed", "dropped")]),
    (metrics.TRACE_QUEUE, [_BACKENDS]),
    (metrics.LIMITED, [("address", "login"), ("",)]),
)
_QUOTAS: Final = ("user", "concurrent_runs", "tokens_per_day", "tokens_per_month", "cost_per_day_usd", "cost_per_month_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What labels may be; `models` in the order in which one stands in for another."""

    agents: Sequence[str]
    models: Sequence[str]
    tools: Sequence[str]
    tiers: Sequence[str]
    tasks: Sequence[str]
    judges: Sequence[str] = ()


def initialise(names: Names) -> None:
    for metric, values in _STANDING:
        _make(metric, *values)
    _make(metrics.LIMITED, _QUOTAS, names.tiers)
    _make(metrics.JOBS, names.tasks, ("ok", "failed"))
    _make(metrics.JOB_SECONDS, names.tasks)
    _make(metrics.TOOL_SECONDS, names.tools)
    _make(metrics.TOOL_CALLS, names.tools, _TOOL_ENDS)
    _make(metrics.EVAL_SCORE, names.judges)
    _make(metrics.EVAL_JUDGEMENTS, names.judges, ("ok", "error", "budget"))
    _of_agents(names.agents)
    _of_models(names.models)


def _of_agents(agents: Sequence[str]) -> None:
    for counter in (metrics.RUNS_STARTED, metrics.RUNS_RECOVERED, metrics.RUNS_HANDED_BACK, metrics.RUNS_EXHAUSTED):
        _make(counter, agents)
    for histogram in (metrics.RUN_FIRST_TOKEN_SECONDS, metrics.RUN_QUEUE_SECONDS):
        _make(histogram, agents)
    _make(metrics.RUN_SECONDS, agents, _ENDS)
    _make(metrics.RUNS_FINISHED, agents, ("completed", "interrupted"), ("",))
    for kind in _ENDED_BY:
        _make(metrics.RUNS_FINISHED, agents, (outcome_of(kind),), (kind.code,))


def _of_models(models: Sequence[str]) -> None:
    passing = _codes(_PASSING)
    _make(metrics.MODEL_SECONDS, models, (CHAT,), ("",))
    for histogram in (metrics.MODEL_FIRST_TOKEN_SECONDS, metrics.MODEL_TOKEN_SECONDS):
        _make(histogram, models)
    _make(metrics.MODEL_TOKENS, models, ("answer",), _TOKENS)
    _make(metrics.MODEL_COST, models, ("answer",))
    for counter in (metrics.MODEL_UNPRICED, metrics.MODEL_RESETS, metrics.BREAKERS_OPENED):
        _make(counter, models)
    _make(metrics.MODEL_RETRIES, models, passing)
    _make(metrics.BREAKER_STATE, models, STATES)
    for model, next_model in pairwise(models):
        _make(metrics.MODEL_FALLBACKS, (model,), (next_model,), ("", *passing))


def _codes(kinds: Iterable[type[AppError]]) -> Sequence[str]:
    return [kind.code for kind in kinds]


def _make(metric: MetricWrapperBase, *values: Iterable[str]) -> None:
    for labels in product(*values):
        metric.labels(*labels)
