"""The pipelines: pinned, with no more rights than they need, and asking for nothing that is not here."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from app.settings import ROOT

WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_USES: Final = re.compile(r"uses: (\S+)(.*)")
_PINNED: Final = re.compile(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40})")
_VERSION: Final = re.compile(r" # v\d+\.\d+\.\d+")
_SCRIPT: Final = re.compile(r"(?<![\w/.-])((?:scripts|\.ci)/[\w.-]+)")
_MAKE: Final = re.compile(r"\bmake ((?:[a-z][a-z-]* ?)+)")
each_workflow: Final = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)


def _read(workflow: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(workflow.read_text())
    return document


def _jobs(workflow: Path) -> Mapping[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = _read(workflow)["jobs"]
    return jobs


def _commands(workflow: Path) -> Iterator[str]:
    return (step["run"] for job in _jobs(workflow).values() for step in job["steps"] if "run" in step)


def _zizmor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--no-config", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603


def test_zizmor_finds_nothing() -> None:
    checked = _zizmor(ROOT / ".github")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_zizmor_would_find_what_is_loose(tmp_path: Path) -> None:
    loose = tmp_path / ".github" / "workflows" / "loose.yml"
    loose.parent.mkdir(parents=True)
    sound = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    loose.write_text(sound.replace('"$GITHUB_REF_NAME" --verify-tag', "${{ github.event.head_commit.message }}"))
    checked = _zizmor(loose)
    assert "template-injection" in checked.stdout
    assert checked.returncode != 0


def test_each_action_is_pinned_by_the_commit_of_one_version() -> None:
    versions: dict[str, set[tuple[str, str]]] = {}
    for workflow in WORKFLOWS:
        used = _USES.findall(workflow.read_text())
        assert len(used) == sum("uses" in step for job in _jobs(workflow).values() for step in job["steps"])
        for action, comment in used:
            pinned = _PINNED.fullmatch(action)
            assert pinned, f"{workflow.name}: {action} is not pinned by a commit"
            assert _VERSION.fullmatch(comment), f"{workflow.name}: {action} does not say which version that is"
            repository = "/".join(pinned[1].split("/")[:2])
            versions.setdefault(repository, set()).add((pinned[2], comment))
    assert {repository: pins for repository, pins in versions.items() if len(pins) > 1} == {}
    assert len(versions) >= 3


@each_workflow
def test_rights_are_given_job_by_job_and_every_job_ends(workflow: Path) -> None:
    document = _read(workflow)
    assert document["permissions"] in ({}, {"contents": "read"})
    assert document["concurrency"]["group"]
    for name, job in document["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 60, name
        assert isinstance(job["permissions"], dict), name
        assert job["runs-on"].startswith("ubuntu-2"), f"{name}: `latest` changes by itself"


@each_workflow
def test_where_a_token_may_write_nothing_of_the_tree_runs(workflow: Path) -> None:
    for name, job in _jobs(workflow).items():
        runs = "\n".join(step.get("run", "") for step in job["steps"])
        if {right for right, level in job["permissions"].items() if level == "write"} - {"security-events"}:
            assert not _SCRIPT.search(runs), name
            assert not _MAKE.search(runs), name


@each_workflow
def test_what_a_workflow_runs_is_there(workflow: Path) -> None:
    targets = {*re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)}
    for command in _commands(workflow):
        for script in _SCRIPT.findall(command):
            assert (ROOT / script).stat().st_mode & 0o111, script
        for named in _MAKE.findall(command):
            assert {*named.split()} <= targets, named
        for other in re.findall(r"gh workflow run (\S+)", command):
            assert "workflow_dispatch" in _read(workflow.with_name(other))[True], other  # YAML 1.1's word for `on`


def test_ci_does_all_that_the_local_check_does() -> None:
    """`make check` is spelled out in ci.yml, part by part, and so is the rest of .ci/run."""
    makefile, local = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
    found = re.search(r"^check: ([a-z ]+) ##", makefile, re.MULTILINE)
    assert found
    wanted = {*found[1].split()} | {*re.findall(r"^make ([a-z-]+)$", local, re.MULTILINE)} - {"check"}
    asked = {
        target for command in _commands(ROOT / ".github/workflows/ci.yml") for named in _MAKE.findall(command) for target in named.split()
    }
    assert asked == wanted
    assert {"lint", "types", "imports", "test", "audit", "test-tools"} <= wanted


def test_no_test_falls_between_the_two_jobs_that_run_them() -> None:
    selected = re.findall(r'PYTEST_ARGS="-m ([^"]+)"', (ROOT / ".github/workflows/ci.yml").read_text())
    assert sorted(selected) == ["'not browser'", "browser"]


def test_only_a_tag_publishes() -> None:
    workflow = ROOT / ".github/workflows/image.yml"
    publishing = [job for job in _jobs(workflow).values() if job["permissions"].get("packages") == "write"]
    assert [job["if"] for job in publishing] == ["github.ref_type == 'tag'"]
    assert [job["needs"] for job in publishing] == ["build"]
    for name in ("image", "release"):
        assert _read(ROOT / f".github/workflows/{name}.yml")[True]["push"]["tags"] == ["v*"]
