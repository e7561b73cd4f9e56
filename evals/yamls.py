"""YAML as people mean it: `on`, `no` and `2026-11-01` are words, as YAML 1.2 has it, not truths and dates."""

from typing import Any, Final

import yaml

_TRUTH: Final = "tag:yaml.org,2002:bool"
_DATE: Final = "tag:yaml.org,2002:timestamp"
_TRUE_OR_FALSE: Final = "tTfF"


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012  # as the library has it
        sign: [(tag, form) for tag, form in known if tag != _DATE and (tag != _TRUTH or sign in _TRUE_OR_FALSE)]
        for sign, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(text: str) -> Any:  # noqa: ANN401  # what somebody wrote
    """Raise yaml.YAMLError, for what is nested too deeply, too."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe one
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error
