"""A stand-in for Langfuse on the loopback, and for any other backend that takes OTLP; `python -m tests.langfuse_stub` is one as a process.

It decodes what it is sent as the protocol says, keeps it, and answers as it is told.
"""

import asyncio
import gzip
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PUBLIC_KEY: Final = "pk-lf-of-a-test"
SECRET_KEY: Final = "sk-lf-of-a-test"
_MOST_BYTES: Final = 64_000_000
_ITEM: Final[Mapping[str, Any]] = {
    "status": "ACTIVE",
    "expectedOutput": None,
    "metadata": None,
    "datasetId": "dataset",
    "datasetName": "dataset",
    "createdAt": "2026-11-01T12:00:00Z",
    "updatedAt": "2026-11-01T12:00:00Z",
    "mediaReferences": [],
}

# How it takes spans: as it should, with this status, or not before it is told to go on.
type Manner = Literal["take", "hold"] | int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSpan:
    trace_id: str
    id: str
    parent: str
    name: str
    begun_ns: int
    ended_ns: int
    error: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.attributes["langfuse.observation.type"])


class LangfuseStub:
    """`manner` and `api_status` (0 is as it should) are how it answers; `prompts` are served by name and label.

    `served` counts the prompts asked for with success or not found, `refusals` what `api_status` or a wrong key turned away.
    """

    def __init__(self) -> None:
        self.port = 0
        self.manner: Manner = "take"
        self.api_status = 0
        self.spans: list[SeenSpan] = []
        self.headers: list[Mapping[str, str]] = []
        self.asked = 0
        self.served = 0
        self.refusals = 0
        self.scores: dict[str, dict[str, Any]] = {}
        self.told_scores: list[dict[str, Any]] = []
        self.prompts: dict[tuple[str, str], tuple[str, int]] = {}
        self.deleted: set[str] = set()
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.lag = 0
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What has a server tell it of all its runs."""
        return {"LANGFUSE_PUBLIC_KEY": PUBLIC_KEY, "LANGFUSE_SECRET_KEY": SECRET_KEY, "LANGFUSE_BASE_URL": self.url}

    async def until(self, count: int, name: str = "", *, trace: str = "", seconds: float = 20) -> list[SeenSpan]:
        """The spans seen, of this name and trace, once there are so many."""
        async with asyncio.timeout(seconds):
            while len(found := self.seen(name, trace)) < count:  # noqa: ASYNC110  # it hears in a thread of its own
                await asyncio.sleep(0.02)
        return found

    def seen(self, name: str = "", trace: str = "") -> list[SeenSpan]:
        return [span for span in [*self.spans] if name in ("", span.name) and trace in ("", span.trace_id)]

    async def take_langfuse(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return web.json_response({"message": "Invalid credentials"}, status=401)
        return await self.take(request)

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.manner == "hold":
            while not self.go_on.is_set():  # noqa: ASYNC110  # set from another thread
                await asyncio.sleep(0.01)
        elif self.manner != "take":
            return web.Response(status=self.manner)
        self.spans += _decoded(await request.read())
        return web.Response(content_type="application/x-protobuf")

    async def name_project(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        project = {"id": "project", "name": "test", "organization": {"id": "home", "name": "home"}, "metadata": {}}
        return web.json_response({"data": [project]})

    async def take_scores(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        for score in await request.json():
            self.told_scores.append(score)
            self.scores[score["id"]] = score
        return web.json_response({"message": "Accepted"}, status=202)

    async def serve_prompt(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        self.served += 1
        name, label = request.match_info["name"], request.query.get("label", "production")
        if (name, label) not in self.prompts:
            return web.json_response({"message": "Prompt not found"}, status=404)
        text, version = self.prompts[name, label]
        more = {"config": {}, "labels": [label], "tags": []}
        return web.json_response({"type": "text", "prompt": text, "name": name, "version": version, **more})

    async def list_observations(self, request: web.Request) -> web.Response:
        """A page has one of them, so that whoever lists must turn it; the next `lag` who ask see nothing yet."""
        if refused := self._refused(request):
            return refused
        if self.lag:
            self.lag -= 1
            return web.json_response({"data": [], "meta": {}})
        user, place = request.query.get("userId"), int(request.query.get("cursor", "0"))
        roots = request.query.get("isRootObservation") == "true"
        kept = [span for span in self.spans if span.trace_id not in self.deleted and not (roots and span.parent)]
        found = [span for span in kept if user in (None, span.attributes["user.id"])]
        page = [_observation(span) for span in found[place : place + 1]]
        return web.json_response({"data": page, "meta": {"cursor": str(place + 1)} if place + 1 < len(found) else {}})

    async def list_items(self, request: web.Request) -> web.Response:
        """As for observations."""
        if refused := self._refused(request):
            return refused
        items, page = self.items.get(request.query["datasetName"], []), int(request.query["page"])
        meta = {"page": page, "limit": 1, "totalItems": len(items), "totalPages": len(items)}
        return web.json_response({"data": [{**_ITEM, **item} for item in items[page - 1 : page]], "meta": meta})

    async def delete_traces(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        self.deleted |= {*(await request.json())["traceIds"]}
        return web.json_response({"message": "Traces deleted successfully"})

    def _refused(self, request: web.Request) -> web.Response | None:
        status = self.api_status or (0 if _is_ours(request) else 401)
        self.refusals += status != 0
        return web.json_response({"message": "no"}, status=status) if status else None

    def application(self) -> web.Application:
        served = web.Application(client_max_size=_MOST_BYTES)
        served.add_routes(
            [
                web.post("/api/public/otel/v1/traces", self.take_langfuse),
                web.post("/v1/traces", self.take),
                web.post("/api/public/scores", self.take_scores),
                web.get("/api/public/v2/prompts/{name}", self.serve_prompt),
                web.get("/api/public/v2/observations", self.list_observations),
                web.get("/api/public/dataset-items", self.list_items),
                web.delete("/api/public/traces", self.delete_traces),
                web.get("/api/public/health", _healthy),
                web.get("/api/public/projects", self.name_project),
                web.get("/health", _healthy),
            ]
        )
        return served


@contextmanager
def start_langfuse() -> Iterator[LangfuseStub]:
    """Serve from a thread with a loop of its own."""
    stub, ready, loop = LangfuseStub(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(stub.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stub.port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        stub.go_on.set()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="langfuse")
    thread.start()
    try:
        assert ready.wait(5)
        yield stub
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _is_ours(request: web.Request) -> bool:
    return request.headers.get("Authorization") == aiohttp.encode_basic_auth(PUBLIC_KEY, SECRET_KEY)


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "OK", "version": "4.59.0"})


def _observation(span: SeenSpan) -> Mapping[str, Any]:
    return {
        "id": span.id,
        "traceId": span.trace_id,
        "startTime": "2026-11-01T12:00:00Z",
        "endTime": "2026-11-01T12:00:01Z",
        "projectId": "project",
        "parentObservationId": span.parent or None,
        "type": span.kind.upper(),
        "input": span.attributes.get("langfuse.observation.input"),
        "output": span.attributes.get("langfuse.observation.output"),
    }


def _decoded(body: bytes) -> Iterator[SeenSpan]:
    if body.startswith(b"\x1f\x8b"):  # aiohttp has undone what the header says
        body = gzip.decompress(body)
    for of in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in of.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    trace_id=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    name=span.name,
                    begun_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    error=span.status.message,
                    attributes=_values(span.attributes),
                    resource=_values(of.resource.attributes),
                )


def _values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = [*attributes]
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


async def _serve(port: int) -> None:
    stub = LangfuseStub()
    runner = web.AppRunner(stub.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    while True:
        await asyncio.sleep(10)
        stub.spans.clear()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
