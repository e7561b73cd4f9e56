"""What docs/kubernetes.md says to type does what it says, as far as kubectl can tell without a cluster."""

import os
import re
import shlex
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Final

import pytest
import yaml

from app.settings import ROOT, load_settings, variables
from tests.deployment.kubernetes import KUBECTL, OURS, SECRET, cluster, of, settings_of, workloads

_TEXT: Final = (ROOT / "docs" / "kubernetes.md").read_text()
_BLOCKS: Final = re.findall(r"^```sh\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)
# A ConfigMap may have a MiB.
_LARGEST_BYTES: Final = 1_048_576


def _block(words: str) -> str:
    [block] = [block for block in _BLOCKS if words in block]
    return str(block)


def _commands(words: str) -> list[str]:
    return [line.strip() for line in _block(words).replace("\\\n", " ").splitlines()]


def _typed(script: str, **variables: str) -> str:
    environment = {"PATH": f"{KUBECTL.parent}{os.pathsep}{os.environ['PATH']}", "HOME": "/nonexistent", **variables}
    done = subprocess.run(["/bin/sh", "-euc", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # our document's words
    assert done.returncode == 0, done.stderr
    return done.stdout


def _applied(command: str, folder: Path) -> set[str]:
    """What kubectl says that it would make, as kinds and names."""
    with cluster() as address:
        options = f"--server={address} --cache-dir={folder} --dry-run=client --validate=false --output=name"
        return {re.sub(r"\.\S*/", "/", line) for line in _typed(f"{command} {options}").splitlines()}


@pytest.mark.parametrize(("words", "overlay"), [("overlays/development", "development"), ("WEBHOOK_KEYS", "production")])
def test_the_secret_that_is_made_is_enough(words: str, overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [line for line in _commands(words) if line.startswith(("password=", "kubectl create secret"))]
    made = yaml.safe_load(_typed("\n".join([*lines[:-1], f"{lines[-1]} --dry-run=client --output=yaml"]), OPENAI_API_KEY="a-key"))
    assert made["metadata"] == {"name": SECRET, "namespace": "milepost"}
    values = {name: b64decode(value).decode() for name, value in made["data"].items()}
    for name in {name for name, _, _ in variables()} & {*os.environ}:
        monkeypatch.delenv(name)
    for name, value in {**settings_of(overlay), **values}.items():
        monkeypatch.setenv(name, value)
    assert load_settings(tmp_path).environment == overlay
    references = [
        one["valueFrom"]["secretKeyRef"]
        for workload in workloads(overlay).values()
        for one in workload.container["env"]
        if "valueFrom" in one
    ]
    assert {reference["name"] for reference in references} == {SECRET}
    assert {reference["key"] for reference in references} <= values.keys()


def test_migrations_are_through_before_servers_and_workers_are_replaced(tmp_path: Path) -> None:
    delete, first, wait, then, status = _commands("delete job")
    job, *_ = of("Job")
    for command in (delete, wait):
        assert job in command
    assert wait.split()[:2] == ["kubectl", "wait"]
    assert status.split()[:3] == ["kubectl", "rollout", "status"]
    early, all_ = _applied(first, tmp_path / "first"), _applied(then, tmp_path / "then")
    assert early < all_
    assert {"namespace/milepost", "serviceaccount/milepost", f"job/{job}"} < early
    assert {name.partition("/")[0] for name in all_ - early} >= {"deployment", "service", "ingress"}
    assert not any(name.startswith("deployment/") for name in early)
    # What the Job itself needs comes with it.
    assert {f"configmap/{name}" for name in of("ConfigMap")} < early
    assert {f"networkpolicy/{name}" for name in of("NetworkPolicy")} < early


def test_a_job_runs_to_its_end_and_is_kept_for_who_asks_why() -> None:
    [job] = of("Job").values()
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert job["spec"]["backoffLimit"] > 0
    # Longer than the rollout that waits for it, or it would be gone, made again, and never be complete.
    assert job["spec"]["ttlSecondsAfterFinished"] > 3600
    assert "generateName" not in job["metadata"]


def test_every_command_names_what_is_there() -> None:
    for block in _BLOCKS:
        for path in re.findall(r"(?:deploy|grafana)/[\w./-]+", block):
            assert (ROOT / path).exists(), path
        for kind, name in re.findall(r"\b(deployment|service|job)/([\w-]+)", block):
            assert name in of(kind.capitalize()), name
    assert set(OURS) <= workloads().keys()


def test_dashboards_fit_into_the_object_that_the_document_makes() -> None:
    script = _block("milepost-dashboards").rpartition("|")[0]
    made = yaml.safe_load(_typed(script))
    assert made["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert made["data"].keys() == {path.name for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert sum(map(len, made["data"].values())) < _LARGEST_BYTES


def test_commands_can_be_copied_as_they_are() -> None:
    for block in _BLOCKS:
        shlex.split(block)
