"""The whole path with a model that nobody scripted; what it says is its own affair."""

import pytest

from tests.visitor import Visitor, text_of

pytestmark = pytest.mark.real_model


async def test_a_real_model_answers_in_the_shape_of_a_run(ada: Visitor) -> None:
    session = await ada.open_session()
    events = await ada.stream(session, "Say hello in one short sentence.")
    types = [event.type for event in events]
    assert (types[0], types[-1]) == ("start", "end")
    assert types.count("start") == types.count("end") == types.count("usage") == 1
    assert "token" in types
    assert "error" not in types
    assert events[-1].data["status"] == "completed"

    usage = next(event.data for event in events if event.type == "usage")
    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]

    _, answered = await ada.messages(session)
    assert answered["content"] == text_of(events) != ""
