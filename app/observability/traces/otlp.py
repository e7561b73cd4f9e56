"""Spans as OTLP has them (OpenTelemetry protocol 1, protobuf over HTTP).

Imported by who sends the first ones: the messages of the protocol take time to import.
"""

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from app.observability.traces.said import masked_said
from app.observability.traces.span import Attribute, Kind, Said, Span

# Spans say much the same, so the quickest is nearly as small.
_LEVEL: Final = 1


def encoded(spans: Sequence[Span], resource: Mapping[str, str], mask: Callable[[str], str] | None) -> bytes:
    """The body of a request, gzipped; `mask` is put over each text that somebody has said."""
    scope = InstrumentationScope(name=resource["service.name"], version=resource["service.version"])
    # What all spans of a run say is written once for all of them, and read into each, which takes less than writing it again.
    runs = {id(span.shared): span.shared for span in spans}
    shared = {run: OtlpSpan(attributes=_attributes(values)).SerializeToString() for run, values in runs.items()}
    told = ScopeSpans(scope=scope, spans=[_span(span, shared[id(span.shared)], mask) for span in spans])
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=Resource(attributes=_attributes(resource)), scope_spans=[told])]
    )
    return gzip.compress(request.SerializeToString(), compresslevel=_LEVEL)


def _span(span: Span, shared: bytes, mask: Callable[[str], str] | None) -> OtlpSpan:
    told = OtlpSpan(
        trace_id=span.trace_id.bytes,
        span_id=span.id,
        parent_span_id=span.parent,
        name=span.name,
        kind=OtlpSpan.SpanKind.SPAN_KIND_CLIENT if span.kind is Kind.MODEL else OtlpSpan.SpanKind.SPAN_KIND_INTERNAL,
        start_time_unix_nano=span.begun_ns,
        end_time_unix_nano=span.ended_ns,
        attributes=_attributes({**span.attributes, **dict(_more(span, mask))}),
        status=Status(code=Status.StatusCode.STATUS_CODE_ERROR, message=span.error) if span.error else None,
    )
    told.MergeFromString(shared)
    return told


def _more(span: Span, mask: Callable[[str], str] | None) -> Iterator[tuple[str, Attribute]]:
    yield "langfuse.observation.type", span.kind.value
    if span.error:
        yield "error.type", span.error
        yield "langfuse.observation.level", "ERROR"
        yield "langfuse.observation.status_message", span.error
    for name, said in (("input", span.asked), ("output", span.answered)):
        if said is not None:
            yield f"langfuse.observation.{name}", _written(masked_said(said, mask) if mask else said)


def _written(said: Said) -> str:
    text = said if isinstance(said, str) else orjson.dumps(said, default=str).decode()
    return text.encode(errors="replace").decode()  # half a surrogate pair has no place in UTF-8


def _attributes(values: Mapping[str, Attribute]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values.items()]


def _value(value: Attribute) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case _:
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in value]))
