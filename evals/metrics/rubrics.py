"""The judges' prompts: Markdown files that are found by themselves, each a metric by its file's name.

Between two lines of `---` at its beginning a file says what its judge needs and gives (`Rubric`); the rest is what the judge is told.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.cases import Case, Tag
from evals.errors import EvalsError

FOLDER: Final = Path(__file__).parent / "prompts"
# What all judges are told; no metric.
COMMON: Final = "_judge.md"

type Share = float


class RubricUnreadable(EvalsError):
    pass


class Rubric(BaseModel):
    """`needs` names the fields that a case must have; with `tags` the judge is asked for cases that have one of them, and no others.

    `scale` is yes_no, continuous from 0 to 1, or the values to choose from; 1 is always good. From `pass` on an answer counts as good.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    text: str = Field(min_length=1)
    digest: str
    needs: tuple[Literal["reference", "context", "instructions"], ...] = ()
    tags: frozenset[Tag] = frozenset()
    scale: Literal["yes_no", "continuous"] | tuple[Share, ...] = "yes_no"
    passes_from: float = Field(default=0.5, alias="pass", gt=0, le=1)

    def applies_to(self, case: Case) -> bool:
        return all(getattr(case, need) for need in self.needs) and (not self.tags or bool(self.tags & case.tags))

    @property
    def schema_of_verdict(self) -> Mapping[str, Any]:
        """The reasoning first: a score that comes before it is a guess."""
        properties = {"reasoning": {"type": "string", "description": "What speaks for and against"}, "score": self._schema_of_score}
        return {
            "title": "verdict",
            "description": "What the judge says of the answer",
            "type": "object",
            "properties": properties,
            "required": [*properties],
            "additionalProperties": False,
        }

    def value_of(self, score: object) -> float | None:
        """From 0 to 1, None for what is not on the scale."""
        if self.scale == "yes_no":
            return float(score) if isinstance(score, bool) else None
        if isinstance(score, bool) or not isinstance(score, int | float):
            return None
        on_scale = 0 <= score <= 1 if self.scale == "continuous" else score in self.scale
        return float(score) if on_scale else None

    @property
    def _schema_of_score(self) -> Mapping[str, Any]:
        if self.scale == "yes_no":
            return {"type": "boolean"}
        return {"type": "number", "minimum": 0, "maximum": 1} if self.scale == "continuous" else {"type": "number", "enum": [*self.scale]}


def read_rubrics(folder: Path = FOLDER) -> Sequence[Rubric]:
    """In the order of their names; raise RubricUnreadable."""
    common = (FOLDER / COMMON).read_text()
    return [_read(path, common) for path in sorted(folder.glob("*.md")) if not path.name.startswith("_")]


def _read(path: Path, common: str) -> Rubric:
    written = path.read_text()
    _, head, text = written.split("---\n", 2) if written.startswith("---\n") and written.count("---\n") > 1 else ("", "", written)
    try:
        said = yaml.safe_load(head) or {}
        whole = f"{text.strip()}\n\n{common.strip()}\n"
        digest = hashlib.sha256(f"{said}\n{whole}".encode()).hexdigest()[:16]
        return Rubric.model_validate({**said, "name": path.stem, "text": whole, "digest": digest})
    except (yaml.YAMLError, TypeError) as error:
        raise RubricUnreadable(f"{path.name}: the lines between --- are no YAML.") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise RubricUnreadable(f"{path.name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}.") from error
