"""The Dockerfile, as far as it can be judged without building it; `scripts/image-trial` builds it and runs what it makes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from app.settings import ROOT

_DOCKERFILE: Final = ROOT / "Dockerfile"
_LAST_STAGE: Final = _DOCKERFILE.read_text().rpartition("\nFROM ")[2]
_USER: Final = re.compile(r"^USER (\d+):(\d+)$", re.MULTILINE)


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(  # noqa: S603  # a program of the development lock
        [str(program), "--failure-threshold", "style", str(_DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_process_is_nobody_and_hears_signals() -> None:
    [(user, group)] = _USER.findall(_LAST_STAGE)
    assert min(int(user), int(group)) >= 10_000
    assert f"--uid {user} --gid {group}" in _LAST_STAGE
    # A shell in between would keep signals for itself.
    for word in ("ENTRYPOINT", "CMD", "    CMD"):
        assert re.search(rf"^{word} \[", _LAST_STAGE, re.MULTILINE), word


def test_what_is_installed_is_what_is_locked() -> None:
    text = _DOCKERFILE.read_text()
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "--no-cache-dir", "--requirement requirements.lock"):
        assert option in text


def test_nothing_goes_to_the_build_but_what_it_copies() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert [name for name in sent if not (ROOT / name).exists()] == []
    locks = {name for name in sent if name.startswith("requirements")}
    assert locks == {"requirements.lock", *(f"requirements-{extra}.lock" for extra in ("anthropic", "google", "ollama"))}
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", _DOCKERFILE.read_text(), re.MULTILINE) for name in line.split()}
    assert copied - {"requirements*.lock"} == sent - locks
