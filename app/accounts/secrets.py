"""Keys where nobody has set one: made once, kept beside the data, so that a reload logs nobody out."""

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

_TOKENS: Final = "jwt_secret_key"


def development_secret(folder: Path, name: str = _TOKENS) -> SecretStr:
    """Read the folder's key of this name, making it first when there is none; two processes at once get the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    if not file.exists():
        draft = folder / f"{name}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            file.hardlink_to(draft)
        except FileExistsError:
            pass  # another process was first; its key is the one
        finally:
            draft.unlink()
    return SecretStr(file.read_text())
