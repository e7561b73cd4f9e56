"""Where experiments are kept: a folder each, written to as answers and scores come, so that whatever ends it loses nothing of them."""

import fcntl
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Self

from pydantic import TypeAdapter, ValidationError

from app.settings import ROOT
from evals.answers import Answer
from evals.cases import Dataset
from evals.errors import EvalsError, ExperimentUnreadable
from evals.experiment import FORMAT, Experiment
from evals.options import Options
from evals.scores import Score

RESULTS: Final = Path(ROOT, "evals", "results")
_HEAD: Final = "head.json"
_ANSWERS: Final = "answers.jsonl"
_SCORES: Final = "scores.jsonl"
_EXPERIMENT: Final = "experiment.json"

type Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an experiment begins with: its cases as they were then, and how it is run."""

    id: str
    name: str
    began_at: datetime
    dataset: Dataset
    digest: str
    options: Options
    warnings: Sequence[str] = ()
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    case_id: str
    attempt: int
    scores: Sequence[Score]


class Folder:
    """Written to by one process at a time; an answer and its scores are each there whole or not at all."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self.head = head
        self._lock = _locked(path)
        self.answers: dict[Key, Answer] = {(kept.case_id, kept.attempt): kept for kept in _read_lines(path / _ANSWERS, Answer)}
        scored = _read_lines(path / _SCORES, _Scored)
        self.scores: dict[Key, Sequence[Score]] = {(kept.case_id, kept.attempt): kept.scores for kept in scored}
        self._answers = (path / _ANSWERS).open("ab")
        self._scores = (path / _SCORES).open("ab")

    @classmethod
    def open_new(cls, root: Path, head: Head, given: Sequence[Answer] = ()) -> Self:
        """Raise EvalsError where it cannot be written; `given` are answers that are there already."""
        path = root / head.id
        try:
            path.mkdir(parents=True, mode=0o700)
            (path / _ANSWERS).write_bytes(b"".join(_line(answer, Answer) for answer in given))
            _write(path / _HEAD, TypeAdapter(Head).dump_json(head, indent=2))
            return cls(path, head)
        except OSError as error:
            raise EvalsError(f"{path} cannot be written ({error.strerror}).") from error

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Raise ExperimentUnreadable."""
        head = _read(path / _HEAD, Head)
        try:
            return cls(path, head)
        except OSError as error:
            raise ExperimentUnreadable(f"{path} cannot be gone on with ({error.strerror}).") from error

    def close(self) -> None:
        """One that nothing came into is gone, as if it had never been begun."""
        if not self.answers:
            shutil.rmtree(self.path, ignore_errors=True)
        for file in (self._answers, self._scores, self._lock):
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_answer(self, answer: Answer) -> None:
        _append(self._answers, _line(answer, Answer))
        self.answers[answer.case_id, answer.attempt] = answer

    def add_scores(self, case_id: str, attempt: int, scores: Sequence[Score]) -> None:
        _append(self._scores, _line(_Scored(case_id=case_id, attempt=attempt, scores=scores), _Scored))
        self.scores[case_id, attempt] = scores

    def finish(self, experiment: Experiment) -> None:
        """Keep the whole of it, in the place of what was finished before."""
        _write(self.path / _EXPERIMENT, TypeAdapter(Experiment).dump_json(experiment, indent=1))


def read_experiment(path: Path) -> Experiment:
    """Of its folder or its file; raise ExperimentUnreadable."""
    file = path / _EXPERIMENT if path.is_dir() else path
    experiment = _read(file, Experiment)
    if experiment.format != FORMAT:
        raise ExperimentUnreadable(f"{file} is of format {experiment.format}; this version reads {FORMAT}.")
    return experiment


def _read[Kept](file: Path, kind: type[Kept]) -> Kept:
    try:
        return TypeAdapter(kind).validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ExperimentUnreadable(f"There is no {file}: no experiment was kept there, or it was not finished.") from None
    except OSError as error:
        raise ExperimentUnreadable(f"{file} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise ExperimentUnreadable(f"{file} is not what an experiment keeps there: {_place(error)}.") from None


def _read_lines[Kept](file: Path, kind: type[Kept]) -> list[Kept]:
    """All that are whole; what a process wrote last before it died may not be, and is cut off, so that the next one begins a line."""
    with suppress(FileNotFoundError):
        whole, _, torn = file.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(file, len(whole) + 1 if whole else 0)
        adapter = TypeAdapter(kind)
        try:
            return [adapter.validate_json(line) for line in whole.split(b"\n") if line]
        except ValidationError as error:
            raise ExperimentUnreadable(f"{file} is not what an experiment keeps there: {_place(error)}.") from None
    return []


def _place(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'} is wrong"


def _line[Kept](kept: Kept, kind: type[Kept]) -> bytes:
    return TypeAdapter(kind).dump_json(kept) + b"\n"


def _append(file: IO[bytes], line: bytes) -> None:
    file.write(line)
    file.flush()


def _write(file: Path, content: bytes) -> None:
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(content)
    new.replace(file)


def _locked(path: Path) -> IO[bytes]:
    """The lock goes with the process, however that ends."""
    lock = (path / ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise EvalsError(f"{path} is being written to by another process.") from None
    return lock
