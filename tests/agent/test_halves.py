"""What a tool says in halves of characters a provider can be sent all the same."""

from langchain_core.messages import ToolMessage

from app.agent.nodes.tools import _readable


def test_a_result_with_half_a_character_is_readable() -> None:
    assert _readable(ToolMessage("a\ud800b \ud83d\ude00", tool_call_id="1")).content == "a\ufffdb 😀"
    assert _readable(ToolMessage([{"type": "text", "text": "\udfff"}], tool_call_id="1")).content == [{"type": "text", "text": "\ufffd"}]
    plain = ToolMessage("Sure.", tool_call_id="1")
    assert _readable(plain) is plain
