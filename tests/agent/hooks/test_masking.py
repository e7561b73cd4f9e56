"""What tells of a person is masked on its way to a model; what only looks like it is not."""

import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from app.agent.hooks.masking import EMAIL, PHONE, MaskedEmbedder, Masking, masked


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Write to ada.lovelace+x@mail.example.co.uk, please.", f"Write to {EMAIL}, please."),
        ("<ada@example.com>", f"<{EMAIL}>"),
        ("mailto:ada@example.com?subject=x", f"mailto:{EMAIL}?subject=x"),
        ("jürgen@bücher.example", EMAIL),
        ("Call +47 22 12 34 56!", f"Call {PHONE}!"),
        ("+1 (555) 123-4567", PHONE),
        ("00491511234567", PHONE),
        ("+4915112345678", PHONE),
        ("0171/1234567", PHONE),
        ("030 90182000", PHONE),
        ("06 12 34 56 78", PHONE),
        ("06.12.34.56.78", PHONE),
        ("020 7946 0958", PHONE),
        ("(020) 7946 0958", PHONE),
        ("01711234567", PHONE),
        ("(555) 123-4567 or 555-123-4567 or 555.123.4567", f"{PHONE} or {PHONE} or {PHONE}"),
        ("Card 4111 1111 1111 1111.", "Card [removed]."),
        ("DE89 3704 0044 0532 0130 00 is my account", "[removed] is my account"),
        ("SSN 123-45-6789", "SSN [removed]"),
        ("key sk-proj-abcdefghijklmnop123", "key [removed]"),
    ],
)
def test_what_tells_of_a_person_is_masked(text: str, told: str) -> None:
    assert masked(text) == told


@pytest.mark.parametrize(
    "text",
    [
        *("On 2026-11-21T20:15:00.123456Z", "on 01.02.2026", "05/06/2026 10:30", "01.02.26, 10 Uhr", "2026-11-21 20:15:00,123"),
        *("1,234,567.89 EUR", "1 234 567", "0.123456789", "3.14159265358979", "1999-2026", "100-200", "page 12-345", "10.000.000"),
        *(
            "192.168.100.200",
            "255.255.255.255",
            "version 1.20.300",
            "0198c0de-0000-7000-8000-000000000000",
            "3f786850e387550fdab836ed7e6dc8",
        ),
        *("one two three four five six seven eight nine ten", "How do I reset my password?", "@ada said so", "a @ b", "C:\\dir\\0123"),
        *("12 * 7 = 84", "https://example.com/2026/11/21/00017", "x = 0x0123456789", "00:00:12.345678", "ISO 8601 and RFC 9457"),
    ],
)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert masked(text) == text


async def test_every_part_of_a_prompt_is_masked_and_none_of_it_is_changed_where_it_is_kept() -> None:
    call = {"name": "find", "args": {"who": ["ada@example.com"], "n": 1}, "id": "call-1", "type": "tool_call"}
    prompt = [
        SystemMessage("The user: ada@example.com"),
        HumanMessage([{"type": "text", "text": "ada@example.com"}, {"type": "image_url", "image_url": {"url": "data:x,ada@example.com"}}]),
        AIMessage("Found ada@example.com", tool_calls=[call]),
        ToolMessage("ada@example.com is there", tool_call_id="call-1"),
        HumanMessage("Nothing to hide"),
    ]
    before = [message.model_copy(deep=True) for message in prompt]
    told = await Masking().before(prompt)
    assert prompt == before
    assert [message.text for message in told] == [f"The user: {EMAIL}", EMAIL, f"Found {EMAIL}", f"{EMAIL} is there", "Nothing to hide"]
    assert told[2].tool_calls == [{**call, "args": {"who": [EMAIL], "n": 1}}]  # type: ignore[attr-defined]  # it is the AIMessage
    assert told[4] is prompt[4]


async def test_an_embedder_elsewhere_sees_no_more_than_the_models() -> None:
    class Elsewhere:
        name, dimensions = "elsewhere", 1

        def __init__(self) -> None:
            self.seen: list[str] = []

        async def embed(self, texts: list[str]) -> list[list[float]]:
            self.seen += texts
            return [[0.0] for _ in texts]

    elsewhere = Elsewhere()
    assert await MaskedEmbedder(elsewhere).embed(["ada@example.com lives in Oslo"]) == [[0.0]]  # type: ignore[arg-type]  # lists are sequences
    assert elsewhere.seen == [f"{EMAIL} lives in Oslo"]


@pytest.mark.parametrize("piece", ["a", "1", "1 ", "0 ", "a@", "@", "+1", "(555) ", "a.", "a@b.", "01/", "DE89 ", "06.12."])
def test_nothing_that_is_long_keeps_everybody_else_waiting(piece: str) -> None:
    began = time.process_time()
    masked(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 2
