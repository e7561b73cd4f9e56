"""What users said, without what tells of a person or opens a door: nothing of theirs is kept by an experiment or a dataset before."""

from typing import Any

from app.agent.hooks.masking import masked
from app.agent.redaction import redacted


def masked_text(text: str) -> str:
    """Emails, phone numbers, cards, accounts, keys, and each sentence that names a password are gone."""
    return redacted(masked(text))


def masked_json(value: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    match value:
        case str():
            return masked_text(value)
        case list():
            return [masked_json(inner) for inner in value]
        case dict():
            return {name: masked_json(inner) for name, inner in value.items()}
        case _:
            return value
