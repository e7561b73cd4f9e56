"""When a secret is none."""

from typing import Final

from pydantic import SecretStr

MIN_SECRET_BYTES: Final = 32

# Parts of values that stand in examples and tutorials; production must not run on one of them.
_EXAMPLE_SECRETS: Final = (
    "change-me",
    "changeme",
    "change_me",
    "replace-me",
    "your-secret",
    "your_secret",
    "your-super",
    "example",
    "secret-key",
)


def weakness_of(secret: SecretStr) -> str | None:
    """What makes it one that anybody might guess or find."""
    value = secret.get_secret_value()
    if len(value.encode()) < MIN_SECRET_BYTES:
        return f"must be at least {MIN_SECRET_BYTES} random bytes"
    if any(example in value.lower() for example in _EXAMPLE_SECRETS) or len(set(value)) < MIN_SECRET_BYTES // 4:
        return f"must be no known example value, but at least {MIN_SECRET_BYTES} random bytes"
    return None
