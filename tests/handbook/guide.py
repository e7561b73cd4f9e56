"""docs/api.md as a program: its commands are run, and what they answer is compared, or written into it."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.settings import ROOT

GUIDE: Final = ROOT / "docs" / "api.md"
# As the guide has it; whoever reads it has their server there.
_ADDRESS: Final = "http://localhost:8000"
_STEP: Final = re.compile(r"^```sh\n(?P<command>.*?)^```\n(?:\n```(?P<kind>\w+)\n(?P<answer>.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_DONE: Final = "--- that was a step of the guide ---"
_SECONDS: Final = 60
# Who reads the guide is shown no token whole, and no scanner for secrets finds one there.
_TOKENS: Final = re.compile(r"(eyJ[\w-]{6}|milepost_refresh_)[\w.-]+")

# What is another each time, and what stands for it.
_MASKS: Final[Mapping[str, str]] = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "an-id",
    r"[0-9a-f]{32}": "another-id",
    r"eyJ[\w-]+": "a-token",
    r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)": "a-time",
    r"\d{4}-\d\d-\d\d": "a-day",
    r'("(?:input|output|total|reasoning|cached)_tokens"|"tokens_used"): ?\d+': r"\1:n",
    r'"request_id": ?"[^"]+"': '"request_id":"…"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    command: str
    kind: str | None
    answer: str


def steps(text: str) -> Sequence[Step]:
    return [Step(command=found["command"], kind=found["kind"], answer=found["answer"] or "") for found in _STEP.finditer(text)]


def run(commands: Sequence[str], server: str, folder: Path) -> Sequence[str]:
    """What each of them prints, in one shell, so that a variable that is set stays so."""
    script = "".join(f"{command}\necho; echo '{_DONE}'\n" for command in commands).replace(_ADDRESS, server)
    done = subprocess.run(
        ["bash", "-eu"],  # noqa: S607  # the shell that whoever follows the guide has
        input=script,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [_TOKENS.sub(r"\1…", told.strip("\n").replace(server, _ADDRESS)) for told in done.stdout.split(f"{_DONE}\n")[:-1]]


def masked(answer: str) -> str:
    for pattern, stand_in in _MASKS.items():
        answer = re.sub(pattern, stand_in, answer)
    return answer.strip("\n")


def rewritten(text: str, answers: Sequence[str]) -> str:
    """The guide with these answers where it shows one."""
    told = iter(answers)

    def step(found: re.Match[str]) -> str:
        answer = next(told)
        head = f"```sh\n{found['command']}```\n"
        return f"{head}\n```{found['kind']}\n{answer}\n```\n" if found["kind"] else head

    return _STEP.sub(step, text)
