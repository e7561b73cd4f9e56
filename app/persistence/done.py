"""When chores were last done well, whichever worker did them: the queue itself forgets a job that succeeds."""

from typing import Final

from app.persistence.database import Pool, execute

# What an operator's own backup is noted as.
BACKUP: Final = "backup"

# No more often than it is looked at: some chores come every few seconds, and each update leaves a dead row.
_NOTE: Final = """
INSERT INTO chore_done (name, done_at) VALUES (%(name)s, now())
    ON CONFLICT (name) DO UPDATE SET done_at = excluded.done_at WHERE chore_done.done_at < excluded.done_at - interval '10 seconds'
"""


class DoneTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, name: str) -> None:
        """It has just been done; of what is done every few seconds, only some times are noted."""
        await execute(self._pool, _NOTE, {"name": name})
