"""Experiments as folders keep them."""

from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from evals.errors import ExperimentUnreadable
from evals.experiment import Experiment

WHOLE: Final = "experiment.json"


def read_experiment(path: Path) -> Experiment:
    """Take a folder or its `experiment.json`."""
    file = path / WHOLE if path.is_dir() else path
    try:
        return TypeAdapter(Experiment).validate_json(file.read_bytes())
    except OSError as error:
        raise ExperimentUnreadable(f"{path}: there is no experiment that can be read") from error
    except ValidationError as error:
        raise ExperimentUnreadable(f"{file}: this is no experiment of this version") from error
