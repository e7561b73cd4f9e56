"""Tell Langfuse of an experiment: a trace of each answer, as its own experiments have them, and each score on its trace.

Every id is made of the experiment's, so whoever tells it twice changes nothing. What was said and why leaves this machine only where
`TRACE_TEXT` lets it, and masked as `LANGFUSE_MASKING` says.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from itertools import batched
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx

from app import VERSION
from app.agent.hooks.masking import masked
from app.observability.traces.otlp import encoded
from app.observability.traces.said import cut
from app.observability.traces.span import Attribute, Kind, Said, Span
from app.settings.tracing import TracingSettings
from evals.experiment import Experiment, Result
from evals.scores import Score

_AT_ONCE: Final = 100
_CALL_SECONDS: Final = 10
_NOBODY: Final = UUID(int=0)
# The environment in which Langfuse looks for experiments.
_ENVIRONMENT: Final = "sdk-experiment"
_RESOURCE: Final = {"service.name": "milepost-evals", "service.version": VERSION}


async def tell_langfuse(experiment: Experiment, settings: TracingSettings) -> str:
    """Say what was told, or that it could not be, in a sentence for the terminal; without keys, say nothing."""
    if not settings.has_langfuse:
        return ""
    login = settings.langfuse_public_key, settings.langfuse_secret_key.get_secret_value()
    try:
        async with httpx.AsyncClient(base_url=settings.langfuse_base_url.rstrip("/"), auth=login, timeout=_CALL_SECONDS) as http:
            scores = await _tell(http, experiment, settings)
    except httpx.HTTPStatusError as error:
        return f"Langfuse did not take the experiment: it answered {error.response.status_code}."
    except (httpx.HTTPError, httpx.InvalidURL):
        return "Langfuse did not take the experiment: it did not answer."
    return f"Langfuse knows {len(experiment.results)} answers and {scores} scores as {experiment.id}."


async def _tell(http: httpx.AsyncClient, experiment: Experiment, settings: TracingSettings) -> int:
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "gzip",
        "x-langfuse-ingestion-version": "4",
        "x-langfuse-public-key": settings.langfuse_public_key,
    }
    for results in batched(experiment.results, _AT_ONCE, strict=False):
        spans = [_span(experiment, result, has_text=settings.text) for result in results]
        body = encoded(spans, _RESOURCE, masked if settings.masks else None)
        (await http.post("/api/public/otel/v1/traces", content=body, headers=headers)).raise_for_status()
    scores = [*_scores(experiment, settings)]
    for some in batched(scores, _AT_ONCE, strict=False):
        (await http.post("/api/public/scores", json=[*some])).raise_for_status()
    return len(scores)


def _span(experiment: Experiment, result: Result, *, has_text: bool) -> Span:
    trace_id, answer = _trace_id(experiment, result), result.answer
    begun_ns = int(experiment.began_at.timestamp() * 1_000_000_000)
    asked: Said = [cut(turn.said) for turn in answer.turns]
    return Span(
        trace_id=trace_id,
        id=trace_id.bytes[:8],
        user_id=_NOBODY,
        name=f"{experiment.dataset}/{result.case.id}",
        kind=Kind.AGENT,
        shared=_shared(experiment),
        begun_ns=begun_ns,
        ended_ns=begun_ns + int(answer.seconds * 1_000_000_000),
        error=answer.error,
        attributes=_attributes(result, trace_id.bytes[:8]),
        asked=asked if has_text else None,
        answered=cut(answer.text) if has_text else None,
    )


def _shared(experiment: Experiment) -> Mapping[str, Attribute]:
    named = {f"langfuse.experiment.metadata.{name}": value for name, value in experiment.target.items()}
    return {
        "langfuse.experiment.id": experiment.id,
        "langfuse.experiment.name": experiment.name,
        "langfuse.environment": _ENVIRONMENT,
        **named,
    }


def _attributes(result: Result, root: bytes) -> dict[str, Attribute]:
    run_ids = tuple(turn.run_id for turn in result.answer.turns if turn.run_id)
    return {
        "langfuse.trace.name": f"eval {result.case.id}",
        "langfuse.experiment.item.id": result.case.id,
        "langfuse.experiment.item.root_observation_id": root.hex(),
        "langfuse.observation.metadata.attempt": result.answer.attempt,
        "langfuse.observation.metadata.run_ids": run_ids,
    }


def _scores(experiment: Experiment, settings: TracingSettings) -> Iterator[dict[str, Any]]:
    """A score without a value is not told: Langfuse has no place for one."""
    for result in experiment.results:
        for score in result.scores:
            if score.value is not None:
                yield _told(experiment, result, score, _comment(score, settings))


def _told(experiment: Experiment, result: Result, score: Score, comment: str | None) -> dict[str, Any]:
    trace_id = _trace_id(experiment, result)
    return {
        "id": str(uuid5(trace_id, score.metric)),
        "traceId": trace_id.hex,
        "observationId": trace_id.bytes[:8].hex(),
        "name": score.metric,
        "value": score.value,
        "dataType": "NUMERIC",
        "comment": comment,
        "environment": _ENVIRONMENT,
        "timestamp": experiment.began_at.astimezone(UTC).isoformat(),
    }


def _trace_id(experiment: Experiment, result: Result) -> UUID:
    return uuid5(NAMESPACE_URL, f"milepost:eval:{experiment.id}:{result.case.id}:{result.answer.attempt}")


def _comment(score: Score, settings: TracingSettings) -> str | None:
    """A reason may quote what was said. Half a character has no place in UTF-8."""
    if not settings.text or not score.reasoning:
        return None
    said = masked(score.reasoning) if settings.masks else score.reasoning
    return cut(said).encode(errors="replace").decode()
