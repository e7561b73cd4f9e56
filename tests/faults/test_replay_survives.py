"""A run that goes on from an earlier checkpoint is a run like any other: its process may die."""

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Event, events_of, text_of, types_of


async def test_a_replay_goes_on_after_the_death_of_its_server(door: Door, first: ServerProcess, provider: ProviderStub) -> None:
    slow = Text("It is four indeed.", seconds_between=0.3)
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "2+2"})]), Text("Four.", seconds_between=0.3), slow, slow)
    ada = await door.enter(first)
    session = await ada.open_session()
    first_run = (await ada.ask(session, "2+2?")).json()["usage"]
    checkpoints = (await ada.http.get(f"/sessions/{session}/checkpoints")).json()["items"]
    [middle] = [one for one in checkpoints if one["next"] == ["respond"] and one["message_count"] == 3]
    read: list[Event] = []
    body = {"checkpoint_id": middle["id"]}
    async with ada.http.stream("POST", f"/sessions/{session}/replay/stream", json=body) as stream:
        async for event in events_of(stream):
            read.append(event)
            if event.type == "token":
                break
    first.kill()
    await first.start()
    events = await ada.read_on(read[0].data["run_id"])
    assert types_of(events[types_of(events).index("reset") :])[-5:] == ["tool_call", "tool_result", "token", "usage", "end"]
    assert text_of(events) == "It is four indeed."
    usage = next(event.data for event in events if event.type == "usage")
    spent = (await ada.http.get("/usage")).json()["total"]
    assert usage["total_tokens"] + first_run["total_tokens"] == spent["input_tokens"] + spent["output_tokens"], "nothing is paid twice"
    [asked, answer] = await ada.messages(session)
    assert (asked["content"], answer["content"], len(answer["tool_calls"])) == ("2+2?", "It is four indeed.", 1)
