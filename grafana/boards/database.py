"""Database and checkpoints: does Postgres keep up, is there a connection for everybody, and what grows?"""

from typing import Final

from app.observability import metrics as m
from grafana.boards.kinds import dial, number, series, spread, table
from grafana.boards.panels import Board, Limits, Query, Row
from grafana.boards.promql import ago, highest, rate, total

_DAY: Final = 86_400
_OURS: Final = 'datname!~"template.*|postgres"'


_USED: Final = highest(m.POOL_CONNECTIONS, "instance", "pool", where='state="used"')

_NOW: Final = (
    dial(
        "Fullest pool",
        "Connections in use of those that a process may open, where that is most.",
        Query(f"max({_USED} / {highest(m.POOL_MOST, 'instance', 'pool')})", "used"),
        limits=Limits(0.7, 0.9),
        runbook="pool",
    ),
    number("Waiting", "Who waits for a connection now.", Query(total(m.POOL_WAITING), "waiting"), limits=Limits(1, 10), runbook="pool"),
    number(
        "Schema differs",
        "Whether any server needs another schema than the database has: a deploy without its migration, or the other way round.",
        Query(highest(m.SCHEMA_DRIFT), "drift"),
        words={0: ("no", "green"), 1: ("yes", "red")},
        runbook="schema",
    ),
    number(
        "Last backup",
        "Since the last one was noted.",
        Query(ago(m.BACKUP_DONE), "ago"),
        unit="s",
        limits=Limits(1.2 * _DAY, 2 * _DAY),
        words={0: ("none yet", "red")},
        runbook="backup",
    ),
    number("Postgres exporter", "Whether it reaches Postgres.", Query("min(pg_up)", "up"), words={0: ("down", "red"), 1: ("up", "green")}),
    number(
        "Last look",
        "Since a process looked into the database for what waits and how large tables are. Those panels stand still with it.",
        Query(f"time() - {highest(m.SAMPLED_AT)}", "ago"),
        unit="s",
        limits=Limits(60, 300),
        runbook="background-work",
    ),
)


_POOLS: Final = (
    series(
        "Connections, by pool",
        "Used and idle, of all instances.",
        Query(total(m.POOL_CONNECTIONS, "pool", "state"), "{{pool}} {{state}}"),
        Query(total(m.POOL_MOST, "pool"), "{{pool}} at the most"),
        runbook="pool",
    ),
    series(
        "Waits for a connection",
        "A second: requests that found no free one.",
        Query(rate(m.POOL_WAITS, "pool"), "{{pool}}"),
        unit="ops",
        runbook="pool",
    ),
    series(
        "Time of a wait",
        "The mean of those that had to wait. DATABASE_CONNECT_SECONDS ends it.",
        Query(f"{rate(m.POOL_WAIT_SECONDS, 'pool')} / ({rate(m.POOL_WAITS, 'pool')} > 0) or 0 * {rate(m.POOL_WAITS, 'pool')}", "{{pool}}"),
        unit="s",
        limits=Limits(0.1, 1),
    ),
    table(
        "Schema, by instance",
        "The revision that the database has, and the one that each server needs.",
        Query(highest(m.SCHEMA, "instance", "found", "needed")),
        columns={"instance": "Instance", "found": "Found", "needed": "Needed"},
        runbook="schema",
    ),
)


_CHECKPOINTS: Final = (
    series(
        "Write of checkpoints",
        "One statement for what a run has not written yet.",
        *spread(m.CHECKPOINT_WRITE_SECONDS),
        unit="s",
        limits=Limits(0.1, 0.5),
        runbook="database-down",
    ),
    series(
        "Read of a checkpoint",
        "The first thing that a turn waits for.",
        *spread(m.CHECKPOINT_READ_SECONDS),
        unit="s",
        limits=Limits(0.1, 0.5),
        runbook="database-down",
    ),
    series(
        "Checkpoints written and pruned",
        "A second. Over a day they should come to much the same.",
        Query(rate(m.CHECKPOINTS_WRITTEN), "written"),
        Query(rate(m.CHECKPOINTS_PRUNED), "pruned"),
        unit="ops",
        runbook="checkpoints",
    ),
    series(
        "State written",
        "Bytes a second, and of one checkpoint: sessions that grow without end show here.",
        Query(rate(m.CHECKPOINT_BYTES), "a second"),
        Query(f"{rate(m.CHECKPOINT_BYTES)} / {rate(m.CHECKPOINTS_WRITTEN)}", "a checkpoint"),
        unit="bytes",
    ),
    series(
        "Tables",
        "Bytes with their indexes: the six largest.",
        Query(f"topk(6, {highest(m.TABLE_BYTES, 'table')})", "{{table}}"),
        unit="bytes",
        runbook="checkpoints",
    ),
    table(
        "Rows",
        "As Postgres estimates them, and how many came in the last day.",
        Query(highest(m.TABLE_ROWS, "table")),
        Query(f'max by (table) (delta({"milepost_table_rows"}{{instance=~"$instance"}}[1d]))'),
        columns={"table": "Table", "Value #B": "In a day", "Value #A": "Rows"},
    ),
)


_POSTGRES: Final = (
    series(
        "Connections to Postgres",
        "By state, and the most it takes. Idle in a transaction is a bug or a person with a terminal.",
        Query(f"sum by (state) (pg_stat_activity_count{{{_OURS}}})", "{{state}}"),
        Query("max(pg_settings_max_connections)", "at the most"),
        runbook="pool",
    ),
    series(
        "Transactions a second",
        "Committed and rolled back.",
        Query(f"sum(rate(pg_stat_database_xact_commit{{{_OURS}}}[$__rate_interval]))", "committed"),
        Query(f"sum(rate(pg_stat_database_xact_rollback{{{_OURS}}}[$__rate_interval]))", "rolled back"),
        unit="ops",
        colours={"committed": "green", "rolled back": "orange"},
    ),
    series(
        "Longest transaction",
        "It keeps old rows from being cleared away, and locks from others.",
        Query(f"max by (datname) (pg_stat_activity_max_tx_duration{{{_OURS}}})", "{{datname}}"),
        unit="s",
        limits=Limits(60, 600),
    ),
    series(
        "Read from memory",
        "The share of blocks that Postgres had at hand. Below 0.95 for long it wants more memory.",
        Query(
            f"sum(rate(pg_stat_database_blks_hit{{{_OURS}}}[$__rate_interval])) / (sum(rate(pg_stat_database_blks_hit{{{_OURS}}}"
            f"[$__rate_interval])) + sum(rate(pg_stat_database_blks_read{{{_OURS}}}[$__rate_interval])))",
            "hits",
        ),
        unit="percentunit",
        limits=Limits(0.95, 0.9, low_is_bad=True),
        most=1,
    ),
    series("Size", "Of each database, indexes and all.", Query(f"pg_database_size_bytes{{{_OURS}}}", "{{datname}}"), unit="bytes"),
    series(
        "Deadlocks",
        "In five minutes.",
        Query(f"sum by (datname) (increase(pg_stat_database_deadlocks{{{_OURS}}}[5m]))", "{{datname}}"),
    ),
    series(
        "Locks",
        "By mode. AccessExclusiveLock for more than a moment is a migration or VACUUM FULL that holds up everybody.",
        Query(f"sum by (mode) (pg_locks_count{{{_OURS}}}) > 0", "{{mode}}"),
    ),
)


BOARD: Final = Board(
    uid="milepost-database",
    title="Milepost · Database and checkpoints",
    description="Does Postgres keep up, is there a connection for everybody, and what grows?",
    rows=(
        Row("Now", _NOW),
        Row("Connections", _POOLS),
        Row("Checkpoints and growth", _CHECKPOINTS),
        Row("Postgres itself (postgres_exporter)", _POSTGRES),
    ),
)
