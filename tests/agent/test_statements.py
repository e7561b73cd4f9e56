"""Which sentences are remembered word for word where no model reads for facts."""

import pytest

from app.agent.statements import statements, subject


@pytest.mark.parametrize(
    ("text", "kept"),
    [
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


def test_what_a_person_has_one_of_has_one_subject() -> None:
    assert subject("My name is Ada") == subject("Call me Bo")
    assert subject("I live in Oslo") == subject("I moved to Bergen")
    assert subject("My favourite colour is red") == subject("My favorite colour is blue") != subject("My favourite food is soup")
    assert subject("I do not eat meat") == subject("i don't eat meat".replace("don't", "do not")) != subject("I do not eat fish")
