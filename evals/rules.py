"""What a gate asks for, as people write it in `evals/gate.yaml`."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evals.cases import Tag
from evals.errors import Misused
from evals.yamls import read_yaml

type Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Rule(_Part):
    metric: str = Field(min_length=1, description="One of the experiment's, or `passed`: all checks and the trajectory hold")
    tag: Tag | None = Field(default=None, description="Only cases with this tag")
    datasets: tuple[str, ...] = Field(default=(), description="Only experiments on these; none means any")


class Threshold(_Rule):
    """The metric's figure must be at least `min` or at most `max`."""

    min: float | None = None
    max: float | None = None
    of: Literal["mean", "p50", "p95"] = "mean"
    on: Literal["value", "interval"] = Field(default="value", description="interval: its worse end, so that luck does not pass")
    min_n: int = Field(default=1, ge=1, description="With fewer cases there is not enough to say, which is red")

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise ValueError("must have one of min and max")
        return self


class NoRegression(_Rule):
    """The metric must not be worse than the baseline's by `min_effect` or more, as far as chance does not explain it."""

    min_effect: float = Field(default=0.02, ge=0, description="In the metric's own unit; 0.02 is 2 points of a share")
    min_n: int = Field(default=10, ge=1, description="With fewer cases in both experiments there is not enough to say, which is red")


class Gate(_Part):
    """`level` is how often an unchanged agent may be called worse, over all rules together."""

    thresholds: tuple[Threshold, ...] = ()
    no_regression: tuple[NoRegression, ...] = ()
    most_errors: Share = Field(default=0, description="Share of answers that may end in an error")
    most_unreadable: Share = Field(default=0.05, description="Share of judges' scores, and of checks', that may have no value")
    level: float = Field(default=0.05, gt=0, lt=0.5)


def read_gate(path: Path) -> Gate:
    """Raise `Misused` with the place of what is wrong."""
    try:
        return Gate.model_validate(read_yaml(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise Misused(f"{path}: there is no such file that can be read") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise Misused(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misused(f"{path}: this is no YAML") from error
