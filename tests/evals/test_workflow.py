"""The workflow for pull requests: what it runs is there, what it takes is pinned, and what may write runs nothing of the change."""

import os
import re
import shutil
import subprocess
from typing import Any, Final

import yaml

from app.settings import ROOT

_WORKFLOW: Final = yaml.safe_load((ROOT / ".github" / "workflows" / "evals.yml").read_text())
_SCRIPT: Final = ROOT / ".ci" / "evals"
_JOBS: Final[dict[str, dict[str, Any]]] = _WORKFLOW["jobs"]


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _JOBS[job]["steps"]
    return found


def test_it_is_for_pull_requests_as_their_authors_may_change_it() -> None:
    # YAML 1.1 reads `on` as true. pull_request_target would run a stranger's code with a token that may write.
    assert _WORKFLOW[True] == "pull_request"


def test_others_actions_are_pinned_by_their_whole_digest() -> None:
    used = [step["uses"] for job in _JOBS for step in steps(job) if "uses" in step]
    assert len(used) == 3
    assert [one for one in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one)] == []


def test_what_may_write_runs_nothing_of_the_change_and_no_fork_gets_there() -> None:
    assert _WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in _JOBS.items()} == {
        "smoke": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert not any("checkout" in step.get("uses", "") for step in steps("comment"))
    assert "head.repo.full_name == github.repository" in _JOBS["comment"]["if"]


def test_its_commands_are_there_and_no_words_of_a_stranger_are_in_them() -> None:
    scripts = [step["run"] for job in _JOBS for step in steps(job) if "run" in step]
    assert any(script.startswith(".ci/evals HEAD^1 ") for script in scripts)
    bash = shutil.which("bash") or "bash"
    for script in [*scripts, _SCRIPT.read_text()]:
        assert "${{" not in script
        assert subprocess.run([bash, "-n"], input=script.encode(), check=False).returncode == 0  # noqa: S603  # read, not run
    assert os.access(_SCRIPT, os.X_OK)
    assert re.search(r"^eval:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_a_commit_that_is_none_is_told() -> None:
    done = subprocess.run([str(_SCRIPT), "nope"], capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert (done.returncode, done.stderr) == (2, "There is no commit nope here.\n")
