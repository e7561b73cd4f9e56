"""A dataset as people read and mend it."""

from typing import Any

import yaml

from evals.cases import Dataset


class _Dumper(yaml.SafeDumper):
    """Long texts keep their lines, and lists stand in."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # the parent's signature
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(dataset: Dataset) -> str:
    """What `files` reads again as the same, without what is left at its default."""
    written: dict[str, Any] = dataset.model_dump(mode="json", exclude_defaults=True)
    written["cases"] = [case | ({"tags": sorted(case["tags"])} if "tags" in case else {}) for case in written["cases"]]
    return yaml.dump(written, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
