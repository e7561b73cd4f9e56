"""What the commands for a user's rights do: export and erase somebody, beside a running server or without one."""

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from app.accounts.users import named
from app.errors import InvalidInput
from app.lifecycle import open_lifecycle
from app.observability.logging import set_up_logging
from app.persistence.lifecycle import told
from app.settings import Settings

_OWNER_ONLY: Final = 0o600


async def export_user(settings: Settings, email: str, output: Path) -> None:
    """Write the ZIP; raise UserNotFound, or InvalidInput for a file that cannot be written."""
    set_up_logging(settings.logs, sys.stderr)
    async with open_lifecycle(settings) as lifecycle:
        user = await named(lifecycle.users, email)
        try:
            with _new_file(output) as file:
                async for piece in lifecycle.exports.archive(user.id):
                    file.write(piece)
        except OSError as error:
            raise InvalidInput(f"{output} cannot be written: {error.strerror}.") from error


async def erase_user(settings: Settings, email: str) -> str:
    """The receipt, as JSON; raise UserNotFound."""
    set_up_logging(settings.logs, sys.stderr)
    async with open_lifecycle(settings) as lifecycle:
        user = await named(lifecycle.users, email)
        receipt = await lifecycle.erasure.erase(user.id)
    return json.dumps({**told(receipt.id, receipt.erased_at, receipt.counts), "sha256": receipt.sha256}, indent=2)


@contextmanager
def _new_file(path: Path) -> Generator[IO[bytes]]:
    """A file that was not there before, which nobody else may read; gone again if it is not written to its end."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
        try:
            yield file
        except BaseException:  # Ctrl+C too leaves no half of somebody's data behind, nor a name that the next try may not take
            path.unlink(missing_ok=True)
            raise
