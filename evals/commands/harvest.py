"""`harvest`: make cases of what users did not like, for a person to review."""

import argparse
import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from app.observability.logging import set_up_logging
from app.settings import load_settings
from evals.commands.choosing import count
from evals.commands.wanting import add_where, wanted_of
from evals.errors import EvalsError, Misused
from evals.sources.database import dataset_of, recent_runs
from evals.sources.writing import as_yaml

_MOST: Final = 10_000
_OWNER_ONLY: Final = 0o600


def add(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    words = "make masked cases of the answers that users did not like"
    parser = commands.add_parser("harvest", help=words, description=f"{words.capitalize()}; `run` takes each once it is reviewed.")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="a YAML file that is not there yet")
    parser.add_argument("--limit", type=count(_MOST), default=100, metavar="N", help="most cases (default: %(default)s)")
    add_where(parser)
    parser.set_defaults(command=harvest)


def harvest(chosen: Namespace) -> int:
    where = chosen.where if any(one.startswith("feedback=") for one in chosen.where) else [*chosen.where, "feedback=down"]
    wanted = wanted_of(where)
    if chosen.output.suffix not in (".yaml", ".yml"):
        raise Misused("--output: must end in .yaml.")
    if chosen.output.exists():
        raise Misused(f"{chosen.output} is there already.")
    settings = load_settings()
    set_up_logging(settings.logs.model_copy(update={"level": "error"}), sys.stderr)
    found = asyncio.run(recent_runs(settings, wanted, limit=chosen.limit, seed=chosen.seed))
    _write(chosen.output, as_yaml(dataset_of([case for case, _ in found], "harvested")))
    print(f"Wrote {len(found)} cases to {chosen.output}: read each, mend it, say what a right answer is, and set `reviewed: true`.")
    return 0


def _write(path: Path, text: str) -> None:
    """Readable by its owner only: masking is no proof that nobody can be told from what they said."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EvalsError(f"{path} cannot be written ({error.strerror}).") from error
