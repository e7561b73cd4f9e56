"""One file that shows everything and fetches nothing: what its scripts and styles are is pinned by their digests."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evals import wording
from evals.experiment import Experiment
from evals.reporting.drilldown import cases_of
from evals.reporting.judged import Judged
from evals.reporting.overview import overview_of

_PAGE: Final = Path(__file__).parent / "page"


def html_report(experiment: Experiment, baseline: Experiment | None, judged: Judged) -> str:
    script, style = ((_PAGE / name).read_text(encoding="utf-8") for name in ("report.js", "report.css"))
    return (
        _environment()
        .get_template("report.html")
        .render(
            experiment=experiment,
            baseline=baseline,
            judged=judged,
            overview=overview_of(experiment, judged),
            cases=_embedded(cases_of(experiment, baseline)),
            policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'",
            script=Markup(script),  # noqa: S704  # our own file
            style=Markup(style),  # noqa: S704  # our own file
        )
    )


def _environment() -> Environment:
    made = Environment(loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {name: getattr(wording, name) for name in ("value", "change", "interval", "change_interval", "chance")}
    return made


def _embedded(cases: Mapping[str, Any]) -> Markup:
    """JSON in which nothing can end the element that it stands in."""
    text = json.dumps(cases, separators=(",", ":"))
    for one in "<>&":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return Markup(text)  # noqa: S704  # made safe above


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
