"""Which sentences are remembered word for word where no model reads for facts."""

import pytest

from app.agent.statements import replaces, statements


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("I don't live in Bergen anymore, I live in Trondheim now", ["I don't live in Bergen anymore", "I live in Trondheim now"]),
        ("I now work at Globex", ["I now work at Globex"]),
        ("Hi, my name is Ada and I live in Oslo.", ["My name is Ada", "I live in Oslo"]),
        ("I do not eat meat", ["I do not eat meat"]),
        ("Please remember that I don’t eat meat!", ["I don't eat meat"]),  # noqa: RUF001  # phones write it so
        ("Remember that the cat is called Tom. What does it eat?", ["The cat is called Tom"]),
        ("remember my name is Bo", ["My name is Bo"]),
        ("I'm allergic to nuts", ["I'm allergic to nuts"]),
        ("What is my name?", []),
        ("Do I eat meat?", []),
        ("my name is Ada?", []),
        ("Remember to buy milk", []),
        ("Rename this conversation to Oslo", []),
        ("I'm looking for a train", []),
        ("I have a question", []),
        ("I don't understand that", []),
        ("I love it", []),
        ("My [removed]. I like tea", ["I like tea"]),
        ("I like " + "very " * 80 + "long stories", []),
    ],
)
def test_plain_statements_are_kept(text: str, kept: list[str]) -> None:
    assert statements(text) == kept


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("My name is Ada", "Call me Bo"),
        ("I live in Oslo", "I moved to Bergen"),
        ("I live in Oslo", "I now live in New York"),
        ("I live in Bergen", "I live in Trondheim now"),
        ("I live in Bergen", "I don't live in Bergen anymore"),
        ("I no longer live in Bergen", "I live in Bergen"),
        ("I work at Acme", "I now work at Globex"),
        ("I work for Acme", "I work at Ørsted"),
        ("My birthday is 3 May", "I was born on 4 May 1990"),
        ("My favourite colour is red", "My favorite colour is blue"),
        ("I do not eat meat", "I DO NOT eat meat."),
    ],
)
def test_of_what_a_person_has_one_the_newer_is_true(older: str, newer: str) -> None:
    assert replaces(newer, older)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("I live in Rome", "I live in fear of spiders"),
        ("I live in Rome", "I moved to the sofa"),
        ("I live in Rome", "I live in Rome's shadow of doubt"),
        ("I live in Oslo", "I don't live in Bergen anymore"),
        ("I don't live in Bergen anymore", "I live in Trondheim now"),
        ("I work at Acme", "I work at night"),
        ("I work at Acme", "I work at Christmas"),
        ("I work at Acme", "I work as a nurse"),
        ("My name is Ada", "My name is often misspelled"),
        ("My birthday is 3 May", "My birthday is always rainy"),
        ("My favourite colour is red", "My favourite colour is hard to name"),
        ("My favourite colour is red", "My favourite food is soup"),
        ("I do not eat meat", "I do not eat fish"),
    ],
)
def test_what_may_both_be_true_is_kept(older: str, newer: str) -> None:
    assert not replaces(newer, older)
