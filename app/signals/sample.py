"""What the database tells of all servers together, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many wait, and for how long the oldest of them does; no time where nobody does."""

    count: int = 0
    oldest_seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`runs` wait for a server, `questions` for a person, `jobs` that could be done now for a worker.

    `unread` are the sessions whose last words no job has read yet. `done` is when each chore was last done well, in seconds since 1970, and
    `backup` when one was last noted; 0 is never.
    """

    runs: Waiting = Waiting()
    questions: Waiting = Waiting()
    jobs: Waiting = Waiting()
    unread: int = 0
    done: Mapping[str, float] = field(default_factory=dict)
    backup: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """Rows as Postgres estimates them; bytes with indexes, and what is kept beside the rows."""

    rows: float
    bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The schema that the database has, empty for none, and the one that this server needs; no `work` where these have no tables for it.

    `tables` are those that grow.
    """

    schema_found: str
    schema_needed: str
    work: Work | None = None
    tables: Mapping[str, TableSize] = field(default_factory=dict)
