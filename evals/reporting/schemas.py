"""JSON Schemas of what is kept, for those who read it with other programs; `python -m evals.reporting.schemas` writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from evals.experiment import Experiment
from evals.reporting.judged import Judged
from evals.rules import Gate

FOLDER: Final = Path(__file__).parents[1] / "schemas"


def schemas() -> Mapping[str, Mapping[str, Any]]:
    return {
        "experiment.json": TypeAdapter(Experiment).json_schema(mode="serialization"),
        "verdict.json": TypeAdapter(Judged).json_schema(mode="serialization"),
        "gate.json": Gate.model_json_schema(),
    }


def _write() -> None:
    for name, schema in schemas().items():
        (FOLDER / name).write_text(f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
