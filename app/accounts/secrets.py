"""The key that signs tokens where nobody has set one: made once, kept beside the data, so that a reload logs nobody out."""

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

_FILE: Final = "jwt_secret_key"


def development_secret(folder: Path) -> SecretStr:
    """Read the folder's key, making it first when there is none; two processes at once get the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _FILE
    if not file.exists():
        draft = folder / f"{_FILE}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            file.hardlink_to(draft)
        except FileExistsError:
            pass  # another process was first; its key is the one
        finally:
            draft.unlink()
    return SecretStr(file.read_text())
