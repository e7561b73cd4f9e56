"""Prometheus' rules as its operator reads them: kustomize reads no file outside its own folders, so they are written there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from app.settings import ROOT

SOURCES: Final = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
WRITTEN: Final = ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "rules.yaml"
_HEAD: Final = "# `make rules` writes this from prometheus/rules/, where each rule says why it is so. Change it there.\n"


def as_text() -> str:
    return _HEAD + yaml.safe_dump_all(_objects(), sort_keys=False, allow_unicode=True, width=140, explicit_start=True)


def _objects() -> Iterator[dict[str, Any]]:
    """One for each file: names of groups are given once in a file, not in all of them."""
    for source in SOURCES:
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"milepost-{source.stem}", "labels": {"app.kubernetes.io/name": "milepost"}},
            "spec": _content(source),
        }


def _content(source: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(source.read_text())
    return content
