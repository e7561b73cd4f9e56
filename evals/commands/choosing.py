"""What `run` can be told, and the options that this makes."""

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from evals.commands.wanting import add_where
from evals.errors import Misused
from evals.options import Options
from evals.sources.files import names
from evals.store import RESULTS

SMOKE: Final = "smoke"
_MOST_RECENT: Final = 10_000
_MOST_AT_ONCE: Final = 200
_MOST_REPEATS: Final = 100
_LONGEST_SECONDS: Final = 3_600
_MOST_DOLLARS: Final = 100_000
# What may be another when an experiment is gone on with.
_MAY_CHANGE: Final = frozenset({"concurrency", "email", "timeout_seconds", "budget_usd"})


def add_options(parser: ArgumentParser) -> None:
    what = parser.add_argument_group("what is asked")
    source = what.add_mutually_exclusive_group()
    source.add_argument("--dataset", metavar="NAME", help=f"one of evals/datasets, or a file (default: {SMOKE})")
    source.add_argument("--recent", type=count(_MOST_RECENT), metavar="N", help="N runs of our own database")
    source.add_argument("--langfuse-dataset", metavar="NAME", help="a dataset of Langfuse")
    source.add_argument("--langfuse-recent", type=count(_MOST_RECENT), metavar="N", help="the N latest runs that Langfuse shows")
    what.add_argument("--again", action="store_true", help="of past runs: ask anew, instead of judging what users were answered")
    what.add_argument("--wait", type=_number(_LONGEST_SECONDS), default=0, metavar="SECONDS", help="how long Langfuse may need")
    what.add_argument("--tag", action="append", default=[], help="only cases with this tag; given again, with one of them")
    what.add_argument("--limit", type=count(1_000_000), metavar="N", help="only the first N cases")
    what.add_argument("--unreviewed", action="store_true", help="also cases that nobody has reviewed")
    add_where(what)
    what.add_argument("--ask", action="store_true", help="ask for what is not said here")
    _add_target(parser.add_argument_group("who answers, and who judges"))
    _add_bounds(parser.add_argument_group("how"))


def options_of(chosen: Namespace) -> Options:
    """What was chosen, the default where nothing was; raise Misused."""
    told = {name: value for name, value in _said(chosen).items() if value not in (None, "", ())}
    options = Options(**told)
    _check(chosen)
    if (chosen.recent or chosen.langfuse_recent) and not chosen.again:
        return replace(options, target="given", repeat=1)
    return replace(options, target="http") if options.url else options


def changed(before: Options, chosen: Namespace) -> Options:
    """The options of an experiment that is gone on with; raise Misused for what would make it another one."""
    said = {name: value for name, value in _said(chosen).items() if value not in (None, "", (), False)}
    fixed = sorted(name for name, value in said.items() if name not in _MAY_CHANGE and value != getattr(before, name))
    another = (chosen.dataset, chosen.recent, chosen.langfuse_dataset, chosen.langfuse_recent, chosen.tag, chosen.limit)
    if fixed or any(another):
        raise Misused("An experiment goes on as it began: only --concurrency, --timeout, --budget and --email may be said anew.")
    return replace(before, **said)


def _check(chosen: Namespace) -> None:
    """Nothing that was asked for is left out in silence."""
    past = chosen.recent or chosen.langfuse_recent
    if chosen.again and not past:
        raise Misused("--again is for --recent and --langfuse-recent.")
    if chosen.where and not past:
        raise Misused("--where is for --recent and --langfuse-recent.")
    if chosen.wait and not chosen.langfuse_recent:
        raise Misused("--wait is for --langfuse-recent.")
    if chosen.email and not chosen.url:
        raise Misused("--email is for --url.")


def ask_for_missing(chosen: Namespace, ask: Callable[[str], str] = input) -> None:
    """Ask a person for the dataset, the model and the judge, where they are not said; raise Misused where nobody is there."""
    if not sys.stdin.isatty() and ask is input:
        raise Misused("There is nobody to ask: --ask is for a terminal.")
    if not (chosen.recent or chosen.langfuse_dataset or chosen.langfuse_recent):
        chosen.dataset = chosen.dataset or ask(f"Dataset ({', '.join(names())}) [{SMOKE}]: ").strip() or SMOKE
    chosen.model = chosen.model or ask("Model [the default one]: ").strip()
    chosen.judge = chosen.judge or ask("Judge [none]: ").strip()


def _add_target(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--url", type=_address, default="", metavar="URL", help="a running server; without one the graph answers, in this process"
    )
    group.add_argument("--email", default="", help="who asks there; or MILEPOST_EMAIL, with MILEPOST_PASSWORD, or MILEPOST_API_KEY")
    group.add_argument("--model", default="", metavar="NAME", help="one of models.yaml (default: the server's)")
    group.add_argument("--agent", default="", metavar="NAME", help="another agent than the assistant")
    group.add_argument("--judge", default="", metavar="NAME", help="the model that judges; without one nothing is that needs a judge")
    group.add_argument("--metric", action="append", default=[], metavar="NAME", help="only this one; given again, these")


def _add_bounds(group: "argparse._ArgumentGroup") -> None:
    default = Options()
    group.add_argument("--repeat", type=count(_MOST_REPEATS), metavar="N", help=f"tries of each case (default: {default.repeat})")
    group.add_argument(
        "--concurrency", type=count(_MOST_AT_ONCE), metavar="N", help=f"how many are tried at once (default: {default.concurrency})"
    )
    group.add_argument(
        "--timeout",
        type=_number(_LONGEST_SECONDS),
        metavar="SECONDS",
        help=f"most for a try (default: {default.timeout_seconds:g})",
    )
    group.add_argument("--budget", type=_number(_MOST_DOLLARS), metavar="DOLLARS", help="stop asking when so much is spent")
    group.add_argument("--keep-sessions", action="store_true", help="leave the sessions where they were made, to look at")
    group.add_argument("--name", default="", help="what the experiment is called in reports")
    group.add_argument("--resume", type=Path, metavar="PATH", help="go on with the experiment in this folder")
    group.add_argument("--results", type=Path, default=RESULTS, metavar="PATH", help="where experiments are kept")
    group.add_argument("--baseline", type=Path, metavar="PATH", help="the experiment that this one is held against")
    group.add_argument("--gate", type=Path, metavar="FILE", help="another gate than evals/gate.yaml")


def _said(chosen: Namespace) -> dict[str, Any]:
    return {
        "url": chosen.url,
        "email": chosen.email,
        "model": chosen.model,
        "agent": chosen.agent,
        "judge": chosen.judge,
        "metrics": tuple(chosen.metric),
        "repeat": chosen.repeat,
        "concurrency": chosen.concurrency,
        "timeout_seconds": chosen.timeout,
        "budget_usd": chosen.budget,
        "keeps_sessions": chosen.keep_sessions,
    }


def count(most: int) -> Callable[[str], int]:
    def counted(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most:,}")
        return int(text)

    return counted


def _address(text: str) -> str:
    if not text:
        return text  # the default, which argparse hands in, too
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise argparse.ArgumentTypeError("must be like http://localhost:8000")
    return text


def _number(most: int) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"must be a number above 0 and up to {most:,}")
        return value

    return number
