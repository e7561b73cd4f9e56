"""A message in, a streamed answer out."""

from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of


async def test_an_answer_streams_token_by_token_and_is_in_the_transcript(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("The train leaves at noon."))
    session = await ada.open_session()
    events = await ada.stream(session, "When does it leave?")
    assert [event.id for event in events] == [*range(1, len(events) + 1)]
    assert text_of(events) == "The train leaves at noon."
    asked, answered = await ada.messages(session)
    assert (asked["role"], asked["content"]) == ("user", "When does it leave?")
    assert (answered["role"], answered["content"], answered["status"]) == ("assistant", "The train leaves at noon.", "completed")
    assert answered["id"] == events[-1].data["message_id"]
