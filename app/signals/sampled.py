"""What is looked up in the database now and then, and told by every process that works: the same for all of them, so rules take the most."""

from app.signals.signal import Signal


@Signal
def runs_pending(runs: int, oldest_seconds: float) -> None:
    """Runs of all servers that wait for one, and how long the oldest waits; 0 where there is none."""


@Signal
def interrupts_open(questions: int, oldest_seconds: float) -> None:
    """Questions that wait for a person, and how long the oldest waits."""


@Signal
def remember_backlog(sessions: int) -> None:
    """Sessions whose last words have not been read yet for what is worth remembering."""


@Signal
def table_size(table: str, rows: float, bytes_: int) -> None:
    """Rows as Postgres estimates them, and bytes with indexes; of tables that our code names only."""


@Signal
def jobs_waiting(jobs: int, oldest_seconds: float) -> None:
    """Jobs that could be done now and wait for a worker."""


@Signal
def chore_done(chore: str, at: float) -> None:
    """When any worker last did it well, in seconds since 1970."""


@Signal
def backup_done(at: float) -> None:
    """When the last backup was noted, in seconds since 1970; 0 for never."""


@Signal
def schema_found(found: str, needed: str) -> None:
    """The revision that the database is at, and the one that this code needs."""


@Signal
def traces_waiting(spans: int) -> None:
    """Spans of this process that wait to be exported."""
