"""A dataset in a file is read as it is meant, and what is wrong with it is named by file, line, case and field."""

from pathlib import Path

import pytest

from evals.choosing import chosen_cases
from evals.digesting import digest_of
from evals.errors import Misused
from evals.sources.files import load_dataset, names
from evals.sources.writing import as_yaml

_YAML = """
name: tried
version: 3
cases:
  - {id: hello, input: Hello, tags: [greeting]}
  - {id: two, conversation: [Hello, Bye], weight: 2}
  - {id: raw, input: "Line one\\n\\nline two: [\\u20ac]", reviewed: false, note: "Said\\nso", tags: [b, a]}
"""
_LINES = """
{"name": "tried", "version": 3}

{"id": "hello", "input": "Hello", "tags": ["greeting"]}
{"id": "two", "conversation": ["Hello", "Bye"], "weight": 2}
"""


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_yaml_and_lines_of_json_are_the_same(tmp_path: Path) -> None:
    of_yaml, of_lines = load_dataset(written(tmp_path, "a.yaml", _YAML)), load_dataset(written(tmp_path, "a.jsonl", _LINES))
    assert of_lines.cases == of_yaml.cases[:2]
    assert (of_lines.name, of_lines.version) == ("tried", 3)


def test_what_is_written_is_read_again_as_the_same(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, "a.yaml", _YAML))
    again = load_dataset(written(tmp_path, "b.yaml", as_yaml(dataset)))
    assert again == dataset
    assert digest_of(again) == digest_of(dataset)
    assert "note: |-\n" in as_yaml(dataset), "for a person to read"


def test_the_digest_is_of_the_cases_and_not_of_their_order(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, "a.yaml", _YAML))
    turned = dataset.model_copy(update={"cases": dataset.cases[::-1]})
    fewer = dataset.model_copy(update={"cases": dataset.cases[:2]})
    assert digest_of(dataset) == digest_of(turned) != digest_of(fewer)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "a.yaml",
            "name: x\nversion: 1\ncases:\n  - {id: hello}\n",
            "a.yaml, case hello: must have one of input",
        ),
        ("a.yaml", "name: x\nversion: 1\ncases:\n  - {id: hello, input: Hi, wieght: 2}\n", "a.yaml, case hello: wieght: Extra inputs"),
        ("a.yaml", "name: x\nversion: 1\ncases:\n  - {input: Hi}\n", "a.yaml, case 1: id: Field required"),
        ("a.yaml", "name: x\nversion: 1\ncases: [{id: a, input: Hi}, {id: a, input: Ho}]\n", "a.yaml: has cases more than once: a"),
        ("a.yaml", "name: x\ncases:\n  - {id: hello, input: Hi}\n", "a.yaml: version: Field required"),
        ("a.yaml", "name: [x\n", "a.yaml, line 2: is not YAML"),
        ("a.yaml", "just words", "a.yaml: must have fields, each with a name"),
        ("a.jsonl", '{"name": "x", "version": 1}\n\n{"id": "hello"}\n', "a.jsonl, line 3, case hello: must have one of input"),
        (
            "a.jsonl",
            '{"name": "x", "version": 1}\n{"id": "hello", "input": "Hi", "checks": {"max_words": 0}}\n',
            "checks.max_words",
        ),
        ("a.jsonl", '{"name": "x", "version": 1}\n{"id": \n', "a.jsonl, line 2: is not a JSON object"),
        ("a.jsonl", "", "a.jsonl: is empty"),
        ("a.txt", "", "a dataset is YAML or JSONL"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(Misused) as refused:
        load_dataset(written(tmp_path, name, text))
    assert words in str(refused.value)


def test_what_is_not_text_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(Misused, match="is not UTF-8"):
        load_dataset(str(tmp_path / "a.yaml"))


def test_a_dataset_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(Misused, match=r"there are .*smoke"):
        load_dataset("nope")


def test_every_dataset_of_this_repository_is_sound() -> None:
    assert "smoke" in names()
    assert all(load_dataset(name).cases for name in names())


def test_cases_are_chosen_by_tag_and_number_and_unread_ones_are_refused(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, "a.yaml", _YAML))
    chosen = chosen_cases(dataset, ["greeting", "a"], None, unreviewed=True)
    assert [case.id for case in chosen.cases] == ["hello", "raw"]
    assert [case.id for case in chosen_cases(dataset, [], 2, unreviewed=False).cases] == ["hello", "two"]
    with pytest.raises(Misused, match="Nobody has reviewed raw"):
        chosen_cases(dataset, [], None, unreviewed=False)
    with pytest.raises(Misused, match="has the tag nope"):
        chosen_cases(dataset, ["nope"], None, unreviewed=True)


def test_a_line_ends_where_json_lines_end_and_nowhere_else(tmp_path: Path) -> None:
    text = '{"name": "x", "version": 1}\n{"id": "one", "input": "One\u2028line"}\n'
    assert load_dataset(written(tmp_path, "a.jsonl", text)).cases[0].input == "One\u2028line"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep.jsonl", '{"name": "x", "version": 1}\n' + "[" * 100_000),
        ("deep.yaml", "[" * 5_000),
    ],
)
def test_what_no_reader_can_read_is_told(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Misused, match=r"is not (YAML|a JSON object)"):
        load_dataset(str(tmp_path / name))


def test_words_that_old_yaml_takes_for_something_else_are_words(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        "name: x\nversion: 1\ncases:\n  - {id: a, input: 2026-13-01, checks: {language: no, contains: [yes, on], refuses: false}}\n"
    )
    [case] = load_dataset(str(tmp_path / "one.yaml")).cases
    assert (case.input, case.checks.language, case.checks.contains, case.checks.refuses) == ("2026-13-01", "no", ("yes", "on"), False)


def test_a_wrong_case_is_told_once_and_in_words_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("name: x\nversion: 1\ncases: [hello]\n")
    with pytest.raises(Misused) as told:
        load_dataset(str(tmp_path / "one.yaml"))
    assert str(told.value) == f"{tmp_path / 'one.yaml'}, case 1: must have fields, each with a name"
