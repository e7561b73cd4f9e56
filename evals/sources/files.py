"""Datasets in files: YAML, or JSONL whose first line is the head and each other one a case."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from app.settings import ROOT
from evals.cases import Dataset
from evals.errors import Misused
from evals.yamls import read_yaml

DATASETS: Final = Path(ROOT, "evals", "datasets")
_KINDS: Final = (".yaml", ".yml", ".jsonl")
_MOST_FAULTS: Final = 10
# Where pydantic speaks of Python's types.
_WORDS: Final = {"model_type": "must have fields, each with a name", "tuple_type": "must be a list", "too_short": "must not be empty"}


def load_dataset(named: str) -> Dataset:
    """A dataset by its name in `evals/datasets`, or by its file; raise Misused that names file, case and field."""
    file = _found(named)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Misused(f"{file} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise Misused(f"{file} is not UTF-8.") from None
    written, lines = _of_lines(file, text) if file.suffix == ".jsonl" else (_of_yaml(file, text), {})
    try:
        return Dataset.model_validate(written)
    except ValidationError as error:
        raise Misused("\n".join(_faults(file, written, lines, error))) from None


def names() -> list[str]:
    """Of the datasets that come with this repository, or that somebody has put beside them."""
    return sorted({file.stem for file in DATASETS.iterdir() if file.suffix in _KINDS}) if DATASETS.is_dir() else []


def _found(named: str) -> Path:
    files = [Path(named), *(DATASETS / f"{named}{kind}" for kind in _KINDS)]
    if file := next((file for file in files if file.is_file()), None):
        if file.suffix in _KINDS:
            return file
        raise Misused(f"{file}: a dataset is YAML or JSONL, by the end of its name.")
    raise Misused(f"There is no dataset {named}; there are {', '.join(names()) or 'none'}, or name a file.")


def _of_yaml(file: Path, text: str) -> Any:  # noqa: ANN401  # what somebody wrote
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Misused(f"{file}{f', line {mark.line + 1}' if mark else ''}: is not YAML.") from None


def _of_lines(file: Path, text: str) -> tuple[dict[str, Any], dict[int, int]]:
    """The dataset, and the line of each case by its place."""
    written = [(number, _of_line(file, number, line)) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not written:
        raise Misused(f"{file}: is empty.")
    (_, head), *cases = written
    return head | {"cases": [case for _, case in cases]}, {place: number for place, (number, _) in enumerate(cases)}


def _of_line(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        if isinstance(written := json.loads(line), dict):
            return written
    except (ValueError, RecursionError):
        pass
    raise Misused(f"{file}, line {number}: is not a JSON object.")


def _faults(file: Path, written: object, lines: dict[int, int], error: ValidationError) -> Iterator[str]:
    found = error.errors(include_input=False, include_url=False)
    # Where each case is wrong, that there is then none is no news.
    faults = [fault for fault in found if len(found) == 1 or (fault["loc"], fault["type"]) != (("cases",), "too_short")]
    for fault in faults[:_MOST_FAULTS]:
        place, words = fault["loc"], _WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        match place:
            case ("cases", int(number), *field):
                yield f"{file}, {_case(written, lines, number)}: {_field(field)}{words}"
            case _:
                yield f"{file}: {_field(place)}{words}"
    if len(faults) > _MOST_FAULTS:
        yield f"{file}: and {len(faults) - _MOST_FAULTS} more."


def _case(written: object, lines: dict[int, int], number: int) -> str:
    case = written["cases"][number] if isinstance(written, dict) else None
    name = f"case {case['id']}" if isinstance(case, dict) and isinstance(case.get("id"), str) else f"case {number + 1}"
    return f"line {lines[number]}, {name}" if number in lines else name


def _field(place: Any) -> str:  # noqa: ANN401  # a tuple or a list of names and numbers
    return f"{'.'.join(map(str, place))}: " if place else ""
