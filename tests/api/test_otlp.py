"""Any backend that takes OpenTelemetry's protocol, without Langfuse."""

from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest

from tests.langfuse_stub import LangfuseStub, start_langfuse
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


@pytest.fixture
def collector() -> Iterator[LangfuseStub]:
    with start_langfuse() as stub:
        yield stub


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], collector: LangfuseStub) -> dict[str, str]:
    headers = "x-team=night%20shift, authorization=Bearer one"
    return {**variables_of_test, "OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/", "OTEL_EXPORTER_OTLP_HEADERS": headers}


async def test_spans_go_where_opentelemetrys_own_variables_say(ada: Visitor, provider: ProviderStub, collector: LangfuseStub) -> None:
    await provider.script(Text("Hello."))
    run_id = (await ada.ask(await ada.open_session(), "Hello")).json()["run_id"]
    [root] = await collector.until(1, "assistant", trace=UUID(run_id).hex)
    assert (collector.headers[0]["x-team"], collector.headers[0]["authorization"]) == ("night shift", "Bearer one")
    assert root.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert root.resource["deployment.environment.name"] == "test"
    [call] = [span for span in collector.seen() if span.kind == "generation"]
    assert call.attributes["gen_ai.usage.output_tokens"] > 0
