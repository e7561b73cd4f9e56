"""What a run's columns say of it, as conditions of SQL; the tables' indexes have the same."""

from typing import Final

# A run that has not ended, and among these the one that has its session's turn.
LIVE_SQL: Final = "status IN ('queued', 'running')"
TURN_SQL: Final = f"{LIVE_SQL} AND NOT waiting"
