"""Read a YAML file of the operator's, and say what is wrong with it line by line."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from app.errors import SettingsInvalid
from app.settings.faults import in_words


def read_yaml[Content: BaseModel](variable: str, file: Path, content: type[Content]) -> Content:
    """Raise SettingsInvalid, with a line for each place in the file that `variable` names; none quotes what stands there."""
    try:
        return content.model_validate(yaml.safe_load(file.read_text()))
    except OSError as error:
        raise SettingsInvalid(f"{variable}: {file.name} cannot be read.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{variable}: {file.name} is not valid YAML.") from error
    except ValidationError as error:
        # Without its cause, which quotes what stands in the file.
        raise SettingsInvalid("\n".join(f"{variable}: {file.name}: {fault}." for fault in _faults(error))) from None


def _faults(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        place = ".".join(map(str, problem["loc"])) or "the file"
        yield f"{place}: {in_words(problem)}"
