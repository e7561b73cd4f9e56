"""Every metric there is, by name: what docs/metrics.md explains, panels draw and rules watch.

Where OpenTelemetry has a name for it, that is used with its attributes, dots turned into underscores and the unit appended; all else begins
with `milepost_`. Labels are bounded: route templates, methods, statuses, and what models.yaml, the registry of agents, tools and the tables
of errors and tiers name.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector, ProcessCollector

REGISTRY: Final = CollectorRegistry()
_OF_THE_PROCESS: Final = (ProcessCollector(registry=REGISTRY), PlatformCollector(registry=REGISTRY), GCCollector(registry=REGISTRY))

# In seconds. That of answers has a bound at 3, which the objective for first tokens names.
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_REQUEST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ANSWER: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 80, 160, 320)
_SHARE: Final = (0, 0.25, 0.5, 0.75, 1)
_PER_TOKEN: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return Counter(name, documentation, labels, registry=REGISTRY)


def _gauge(name: str, documentation: str, *labels: str) -> Gauge:
    return Gauge(name, documentation, labels, registry=REGISTRY)


def _histogram(name: str, documentation: str, *labels: str, buckets: tuple[float, ...] = _ANSWER) -> Histogram:
    return Histogram(name, documentation, labels, registry=REGISTRY, buckets=buckets)


# HTTP (OpenTelemetry's semantic conventions for HTTP servers).
REQUEST_SECONDS = _histogram(
    "http_server_request_duration_seconds",
    "Time to the last byte, of event streams to the first.",
    "http_request_method",
    "http_route",
    "http_response_status_code",
    buckets=_REQUEST,
)
REQUESTS_ACTIVE = _gauge("http_server_active_requests", "Requests under way, event streams until their first byte.")
STREAMS_OPEN = _gauge("milepost_streams_open", "Event streams that readers follow.")
STREAMS = _counter("milepost_streams", "Event streams that were closed, by why.", "reason")

# Runs.
RUNS_STARTED = _counter("milepost_runs_started", "Messages that became runs, and questions that were answered.", "agent")
RUNS_FINISHED = _counter("milepost_runs_finished", "Runs that ended, once each, by outcome and code of error.", "agent", "outcome", "error")
RUN_SECONDS = _histogram("milepost_run_duration_seconds", "From a message that was accepted to its end.", "agent", "outcome")
RUN_FIRST_TOKEN_SECONDS = _histogram("milepost_run_first_token_seconds", "From a message that was accepted to its first token.", "agent")
RUN_QUEUE_SECONDS = _histogram("milepost_run_queue_seconds", "From a run that was accepted, or given back, to an attempt.", "agent")
RUNS_RECOVERED = _counter("milepost_runs_recovered", "Runs whose process died, taken up by another.", "agent")
RUNS_HANDED_BACK = _counter("milepost_runs_handed_back", "Runs that a process that stops left to the next.", "agent")
RUNS_EXHAUSTED = _counter("milepost_runs_exhausted", "Runs given up for the processes that died of them.", "agent")
RUNS_LIVE = _gauge("milepost_runs_live", "Runs that this process makes.")
RUNS_MOST = _gauge("milepost_runs_live_max", "Runs that it makes at the most.")
RUNS_PENDING = _gauge("milepost_runs_pending", "Runs of all servers that wait for one, sampled.")
RUNS_PENDING_OLDEST_SECONDS = _gauge("milepost_runs_pending_oldest_seconds", "How long the oldest of them waits, sampled.")
INTERRUPTS_OPEN = _gauge("milepost_interrupts_open", "Questions that wait for a person, sampled.")
INTERRUPTS_OLDEST_SECONDS = _gauge("milepost_interrupts_oldest_seconds", "How long the oldest of them waits, sampled.")

# The event log.
EVENTS_APPENDED = _counter("milepost_events_appended", "Events written to the log in Postgres.")
EVENT_FLUSH_SECONDS = _histogram("milepost_event_flush_seconds", "One write of the events of all runs of the process.", buckets=_FAST)
EVENT_FLUSHES_FAILED = _counter("milepost_event_flushes_failed", "Writes that the database did not take; their events wait.")
EVENTS_REPLAYED = _counter("milepost_events_replayed", "Events that readers were given from Postgres.")
EVENT_GAPS = _counter("milepost_event_gaps", "Readers that asked for events which are kept no more.")

# Models (OpenTelemetry's semantic conventions for generative AI, where they have a name).
MODEL_SECONDS = _histogram(
    "gen_ai_client_operation_duration_seconds", "One try of a model call.", "gen_ai_request_model", "gen_ai_operation_name", "error_type"
)
MODEL_FIRST_TOKEN_SECONDS = _histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds", "From a call to the first token of its answer.", "gen_ai_request_model"
)
MODEL_TOKEN_SECONDS = _histogram(
    "gen_ai_server_time_per_output_token_seconds", "Time for each token after the first.", "gen_ai_request_model", buckets=_PER_TOKEN
)
MODEL_TOKENS = _counter("milepost_model_tokens", "Tokens; cached ones are input too, reasoning ones output.", "model", "purpose", "kind")
MODEL_COST = _counter("milepost_model_cost_usd", "What calls came to in dollars, where the price is known.", "model", "purpose")
MODEL_UNPRICED = _counter("milepost_model_calls_unpriced", "Calls that used tokens at a price that nobody knows.", "model")
MODEL_RETRIES = _counter("milepost_model_retries", "Calls made once more to the same model, by why.", "model", "error")
MODEL_FALLBACKS = _counter("milepost_model_fallbacks", "Calls that went on to another model, by why.", "model", "next_model", "error")
MODEL_RESETS = _counter("milepost_model_resets", "Answers that had begun and were taken back.", "model")
BREAKER_STATE = _gauge("milepost_breaker_state", "1 for the state that a model's circuit breaker is in here.", "model", "state")
BREAKERS_OPENED = _counter("milepost_breakers_opened", "Times that a model's circuit breaker opened.", "model")
CACHE_REQUESTS = _counter("milepost_response_cache_requests", "Answers looked for in the response cache: hit, miss, shared.", "result")

# Judges (the scores' bounds are those that judges may give; a mean is the sum by the count).
EVAL_SCORE = _histogram("milepost_eval_score", "What judges said of answers, from 0 to 1, which is good.", "metric", buckets=_SHARE)
EVAL_JUDGEMENTS = _counter(
    "milepost_eval_judgements", "Answers that were judged, or should have been: ok, error, budget.", "metric", "outcome"
)

# Tools.
TOOL_SECONDS = _histogram("milepost_tool_duration_seconds", "One call of a tool, waits for room and repeats included.", "tool")
TOOL_CALLS = _counter("milepost_tool_calls", "Calls of tools that models asked for, by what became of them.", "tool", "outcome")
TOOL_APPROVALS = _counter("milepost_tool_approvals", "Calls that people were asked about.", "tool")
MCP_UP = _gauge("milepost_mcp_server_up", "1 where the line to a server of tools is open.", "server")

# Memory.
RECALL_SECONDS = _histogram("milepost_recall_duration_seconds", "Looking for what is known of a user.", "outcome", buckets=_FAST)
REMEMBER_SECONDS = _histogram("milepost_remember_duration_seconds", "Reading what was said for what is worth keeping.", "outcome")
MEMORIES_KEPT = _counter("milepost_memories_kept", "Facts that were remembered.")
REMEMBER_BACKLOG = _gauge("milepost_remember_backlog", "Sessions whose last words have not been read yet, sampled.")

# Checkpoints and the database.
CHECKPOINT_WRITE_SECONDS = _histogram("milepost_checkpoint_write_seconds", "One write of a run's checkpoints.", buckets=_FAST)
CHECKPOINT_READ_SECONDS = _histogram("milepost_checkpoint_read_seconds", "One read of a session's checkpoint.", buckets=_FAST)
CHECKPOINTS_WRITTEN = _counter("milepost_checkpoints_written", "Checkpoints that were written.")
CHECKPOINT_BYTES = _counter("milepost_checkpoint_bytes", "Bytes of state that were written with them.")
CHECKPOINTS_PRUNED = _counter("milepost_checkpoints_pruned", "Checkpoints that were deleted because later ones are kept.")
TABLE_ROWS = _gauge("milepost_table_rows", "Rows of a table as Postgres estimates them, sampled.", "table")
TABLE_BYTES = _gauge("milepost_table_bytes", "Bytes of a table with its indexes, sampled.", "table")
POOL_CONNECTIONS = _gauge("milepost_pool_connections", "Connections that a pool has open.", "pool", "state")
POOL_MOST = _gauge("milepost_pool_connections_max", "Connections that it opens at the most.", "pool")
POOL_WAITING = _gauge("milepost_pool_waiting", "Who waits for a connection now.", "pool")
POOL_WAITS = _counter("milepost_pool_waits", "Requests that had to wait for a connection.", "pool")
POOL_WAIT_SECONDS = _counter("milepost_pool_wait_seconds", "How long these waited in all.", "pool")

# Limits and quotas.
LIMITED = _counter("milepost_limited", "Requests answered with 429, by limit and tier.", "limit", "tier")
QUOTA_RESERVATIONS = _counter("milepost_quota_reservations", "What became of what was set aside: reserved, settled, refused …", "result")
SHARED_LIMITS_UP = _gauge("milepost_shared_limits_up", "1 where limits are shared through a Redis that answers, or need none.")

# Accounts.
LOGINS = _counter("milepost_logins", "Tries to sign in.", "method", "outcome")
TOKENS_REFUSED = _counter("milepost_tokens_refused", "Access tokens, refresh tokens and API keys that were not taken.", "reason")
REFRESH_REUSED = _counter("milepost_refresh_tokens_reused", "Refresh tokens that came a second time: stolen ones.")
LOCKOUTS = _counter("milepost_lockouts", "Accounts and addresses shut for a while after wrong passwords.", "by")

# What goes out, and what is done in the background.
WEBHOOK_DELIVERIES = _counter("milepost_webhook_deliveries", "Tries to tell a webhook.", "outcome")
WEBHOOKS_OFF = _counter("milepost_webhooks_switched_off", "Webhooks switched off because they never answered.")
MAILS = _counter("milepost_mails", "Letters given to the mail server.", "outcome")
JOBS = _counter("milepost_jobs", "Jobs and chores that this worker did.", "task", "outcome")
JOB_SECONDS = _histogram("milepost_job_duration_seconds", "One job or chore.", "task")
JOBS_WAITING = _gauge("milepost_jobs_waiting", "Jobs that could be done now and wait for a worker, sampled.")
JOBS_OLDEST_SECONDS = _gauge("milepost_jobs_oldest_seconds", "How long the oldest of them waits, sampled.")
CHORE_DONE = _gauge("milepost_chore_last_success_timestamp_seconds", "When a chore was last done well by any worker, sampled.", "chore")
BACKUP_DONE = _gauge("milepost_backup_last_success_timestamp_seconds", "When the last backup was noted; 0 for never, sampled.")
TRACE_SPANS = _counter("milepost_trace_spans", "Spans given to a tracing backend, by what became of them.", "backend", "outcome")
TRACE_QUEUE = _gauge("milepost_trace_queue_spans", "Spans that wait to be exported.", "backend")

# The process. Its memory, CPU and files are prometheus_client's own `process_…` and `python_…`.
LOOP_LAG_SECONDS = _histogram("milepost_loop_lag_seconds", "How late the event loop is, measured every second.", buckets=_FAST)
BUILD = _gauge("milepost_build_info", "1, with what is running.", "version", "revision", "python", "environment", "role")
SCHEMA = _gauge("milepost_schema_info", "1, with the schema that the database has and the one that this server needs.", "found", "needed")
SCHEMA_DRIFT = _gauge("milepost_schema_drift", "1 where these differ, sampled, or as the last probe of /health saw it.")
SAMPLED_AT = _gauge("milepost_sampled_timestamp_seconds", "When this process last sampled the database; none until it has.")
COST_BUDGET = _gauge("milepost_cost_budget_usd_per_hour", "What models may come to per hour, as set; 0 for no budget.")
