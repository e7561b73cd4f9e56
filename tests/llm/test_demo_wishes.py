"""Sentences, and what the demo model takes them for."""

from time import process_time

import pytest

from app.llm.demo_wishes import MAX_WISHES, Question, introduced_name, question, tool_wishes


def wished(text: str) -> list[tuple[str, ...]]:
    return [(wish.tool, *wish.args.values()) for wish in tool_wishes(text)]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("what time is it in Oslo?", "Oslo"),
        ("Time in New York", "New York"),
        ("What’s the time?", "UTC"),  # noqa: RUF001  # phones write it so
        ("What is the date today?", "UTC"),
        ("What time is it right now in Oslo, please?", "Oslo"),
        ("What is the date and time in Tokyo right now?", "Tokyo"),
        ("Hi, can you tell me what time it is in Paris?", "Paris"),
        ("What time is it in America/New_York", "America/New_York"),
        ("what is the local time in Oslo, Norway?", "Oslo, Norway"),
    ],
)
def test_a_question_for_the_time_names_its_place(text: str, zone: str) -> None:
    assert wished(text) == [("current_time", zone)]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("what is 12*7?", "12*7"),
        ("12 times 7", "12 * 7"),
        ("What's 12 x 7?", "12 * 7"),
        ("12x7", "12*7"),
        ("calculate sqrt(2) * 3", "sqrt(2) * 3"),
        ("How much is 1.5 + 2.5.", "1.5 + 2.5"),
        ("Calculate: 3/4 =", "3/4"),
        ("What is 15% of 80?", "15/100 * 80"),
        ("square root of 2", "sqrt(2)"),
        ("2 to the power of 8", "2 ** 8"),
        ("5 minus 3 squared", "5 - 3**2"),
        ("what is -5 + (3 - 1)", "-5 + (3 - 1)"),
        ("please calculate 9**9**9", "9**9**9"),
        ("what is pi * 2", "pi * 2"),
    ],
)
def test_a_sum_becomes_an_expression(text: str, expression: str) -> None:
    assert wished(text) == [("calculate", expression)]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("search for salt and pepper", "salt and pepper"),
        ("Look up C++", "C++"),
        ("Search the web for “checkpoints in python 3.13”, please.", "checkpoints in python 3.13"),
        ("google langgraph", "langgraph"),
    ],
)
def test_a_search_takes_the_rest_of_its_sentence(text: str, query: str) -> None:
    assert wished(text) == [("web_search", query)]


def test_several_wishes_are_told_apart() -> None:
    assert wished("What time is it in Oslo and in Tokyo? Then search for tea and what is 2+2") == [
        ("current_time", "Oslo"),
        ("current_time", "Tokyo"),
        ("web_search", "tea"),
        ("calculate", "2+2"),
    ]


def test_a_message_full_of_wishes_gets_a_few() -> None:
    assert len(wished("2+2;" * 400)) == MAX_WISHES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello!",
        "time flies like an arrow",
        "I had a great time in Oslo",
        "what is love?",
        "what is 42?",
        "3 apples",
        "research for fun",
        "...",
    ],
)
def test_small_talk_wishes_for_nothing(text: str) -> None:
    assert wished(text) == []


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("What is my name?", Question.MY_NAME),
        ("Do you remember my name?", Question.MY_NAME),
        ("who am I", Question.MY_NAME),
        ("What did I just say?", Question.MY_LAST_MESSAGE),
        ("Repeat what I said before.", Question.MY_LAST_MESSAGE),
        ("What was my previous question?", Question.MY_LAST_MESSAGE),
        ("What did I say first?", Question.MY_FIRST_MESSAGE),
        ("what was my very first message?", Question.MY_FIRST_MESSAGE),
        ("What do you know about me?", Question.MEMORIES),
        ("What do you remember?", Question.MEMORIES),
        ("My name is Ada.", None),
        ("What is 12*7?", None),
    ],
)
def test_a_question_about_the_conversation_is_known(text: str, asked: Question | None) -> None:
    assert question(text) is asked


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hi, my name is Ada.", "Ada"),
        ("My name’s Zoë-Marie, hello", "Zoë-Marie"),  # noqa: RUF001  # phones write it so
        ("I'm called Øystein", "Øystein"),
        ("call me Ishmael", "Ishmael"),
        ("Name is Ada", "Ada"),
        ("User's name is Ada", "Ada"),
        ("My name is not Bob", None),
        ("his name is Bob", None),
        ("What is my name?", None),
        ("my name is 🙂", None),
    ],
)
def test_an_introduction_gives_a_name(text: str, name: str | None) -> None:
    assert introduced_name(text) == name


@pytest.mark.parametrize(
    "piece", ["1", "(", "1.", "1 ", "time ", "time in a ", "what is ", "search for ", "a and what ", "my name ", "hi, ", "x, please", " "]
)
def test_no_message_takes_long_to_read(piece: str) -> None:
    text = (piece * 32_000)[:32_000]
    started = process_time()
    tool_wishes(text)
    question(text)
    introduced_name(text)
    assert process_time() - started < 0.1
