"""How statements of ours put jobs into the queue, so that a job is there exactly when what it is about is."""

from typing import Final

QUEUE: Final = "milepost"


def job_sql(task: str, argument: str, value: str, *, lock: str = "NULL", at: str = "NULL") -> str:
    """A job as `defer_sql` takes it: `task` with one argument, whose value is an SQL expression.

    It is done `at` a time, an SQL expression, or at once. Of jobs with the same `lock`, an SQL expression too, one is done at a time and
    one waits at most; a second is refused with an error.
    """
    arguments = f"jsonb_build_object('{argument}', {value})"
    return f"ROW('{QUEUE}', '{task}', 0, {lock}, {lock}, {arguments}, {at})::procrastinate_job_to_defer_v1"


def jobs_sql(rows: str) -> str:
    """A query for jobs without a lock, done at once: one for each row of the query `rows`, whose columns are task, argument and value."""
    job = "task, 0, NULL, NULL, jsonb_build_object(argument, value), NULL"
    return f"SELECT ROW('{QUEUE}', {job})::procrastinate_job_to_defer_v1 AS job FROM ({rows}) AS asked (task, argument, value)"


def defer_sql(jobs: str) -> str:
    """The queue's own function for it, which its triggers and versions stand behind."""
    return f"procrastinate_defer_jobs_v1({jobs})"


def make_run_sql(run_id: str) -> str:
    return defer_sql(f"ARRAY[{job_sql('make_run', 'run_id', run_id)}]")
