"""Each signal as it may be told, and the metrics that it moves."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app import signals
from app.signals import sampled
from app.signals.sample import Sample, TableSize, Waiting, Work
from app.signals.signal import Signal

CALL: Final = {
    "model": "walked",
    "purpose": "answer",
    "error": "",
    "seconds": 3.0,
    "first_token_seconds": 1.0,
    "input_tokens": 12,
    "output_tokens": 5,
    "cached_tokens": 3,
    "reasoning_tokens": 2,
    "cost_usd": 0.25,
    "from_cache": False,
}

_WORK: Final = Work(
    runs=Waiting(count=71, oldest_seconds=7.1),
    questions=Waiting(count=72, oldest_seconds=7.2),
    jobs=Waiting(count=75, oldest_seconds=7.5),
    unread=73,
    done={"walked": 76.0},
    backup=77,
)

type Telling = tuple[Signal[...], Mapping[str, Any], Sequence[str]]

TOLD: Final[Sequence[Telling]] = (
    (signals.request_begun, {}, ["http_server_active_requests"]),
    (
        signals.request_ended,
        {"method": "GET", "route": "/walked", "status": 200, "seconds": 0.1},
        ["http_server_active_requests", "http_server_request_duration_seconds"],
    ),
    (signals.stream_opened, {}, ["milepost_streams_open"]),
    (signals.stream_closed, {"reason": "ended"}, ["milepost_streams_open", "milepost_streams"]),
    (signals.run_started, {"agent": "walked"}, ["milepost_runs_started"]),
    (signals.attempt_begun, {"agent": "walked", "attempt": 1, "waited_seconds": 0.1}, ["milepost_run_queue_seconds"]),
    (
        signals.run_ended,
        {"agent": "walked", "outcome": "failed", "error": "run_timeout", "seconds": 2, "first_token_seconds": 1},
        ["milepost_runs_finished", "milepost_run_duration_seconds", "milepost_run_first_token_seconds"],
    ),
    (
        signals.run_ended,
        {"agent": "walked", "outcome": "cancelled", "error": "", "seconds": 2, "first_token_seconds": None},
        ["milepost_runs_finished", "milepost_run_duration_seconds"],
    ),
    (signals.run_recovered, {"agent": "walked"}, ["milepost_runs_recovered"]),
    (signals.run_handed_back, {"agent": "walked"}, ["milepost_runs_handed_back"]),
    (signals.attempts_exhausted, {"agent": "walked"}, ["milepost_runs_exhausted"]),
    (signals.events_flushed, {"events": 3, "seconds": 0.01}, ["milepost_events_appended", "milepost_event_flush_seconds"]),
    (signals.events_ended, {"events": 3}, ["milepost_events_appended"]),
    (signals.events_not_flushed, {}, ["milepost_event_flushes_failed"]),
    (signals.events_replayed, {"events": 3}, ["milepost_events_replayed"]),
    (signals.event_gap, {}, ["milepost_event_gaps"]),
    (
        signals.model_called,
        CALL,
        [
            "gen_ai_client_operation_duration_seconds",
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "gen_ai_server_time_per_output_token_seconds",
            "milepost_model_tokens",
            "milepost_model_cost_usd",
        ],
    ),
    (
        signals.model_called,
        {**CALL, "first_token_seconds": None, "cost_usd": None, "error": "model_timeout"},
        ["gen_ai_client_operation_duration_seconds", "milepost_model_tokens", "milepost_model_calls_unpriced"],
    ),
    (signals.model_called, {**CALL, "from_cache": True}, []),
    (signals.model_retried, {"model": "walked", "error": "model_timeout"}, ["milepost_model_retries"]),
    (signals.model_fell_back, {"model": "walked", "next_model": "other", "error": ""}, ["milepost_model_fallbacks"]),
    (signals.answer_reset, {"model": "walked"}, ["milepost_model_resets"]),
    (signals.breaker_moved, {"model": "walked", "state": "open"}, ["milepost_breaker_state", "milepost_breakers_opened"]),
    (signals.breaker_moved, {"model": "walked", "state": "closed"}, ["milepost_breaker_state"]),
    (signals.cache_asked, {"result": "hit"}, ["milepost_response_cache_requests"]),
    (signals.tool_called, {"tool": "walked", "outcome": "ok", "seconds": 0.1}, ["milepost_tool_calls", "milepost_tool_duration_seconds"]),
    (signals.tool_called, {"tool": "walked", "outcome": "looping", "seconds": 0.0}, ["milepost_tool_calls"]),
    (signals.approval_asked, {"tool": "walked"}, ["milepost_tool_approvals"]),
    (signals.mcp_server_moved, {"server": "walked", "up": True}, ["milepost_mcp_server_up"]),
    (signals.recalled, {"outcome": "found", "seconds": 0.01}, ["milepost_recall_duration_seconds"]),
    (signals.remembered, {"outcome": "kept", "seconds": 1.5, "facts": 2}, ["milepost_remember_duration_seconds", "milepost_memories_kept"]),
    (
        signals.checkpoints_written,
        {"checkpoints": 2, "bytes_": 900, "seconds": 0.01},
        ["milepost_checkpoints_written", "milepost_checkpoint_bytes", "milepost_checkpoint_write_seconds"],
    ),
    (signals.checkpoint_read, {"seconds": 0.01}, ["milepost_checkpoint_read_seconds"]),
    (signals.checkpoints_pruned, {"checkpoints": 4}, ["milepost_checkpoints_pruned"]),
    (signals.limited, {"limit": "user", "tier": "walked"}, ["milepost_limited"]),
    (signals.quota_moved, {"what": "reserved"}, ["milepost_quota_reservations"]),
    (signals.shared_limits_moved, {"up": False}, ["milepost_shared_limits_up"]),
    (signals.signed_in, {"method": "password", "outcome": "wrong"}, ["milepost_logins"]),
    (signals.token_refused, {"reason": "expired"}, ["milepost_tokens_refused"]),
    (signals.refresh_token_reused, {}, ["milepost_refresh_tokens_reused"]),
    (signals.locked_out, {"by": "account"}, ["milepost_lockouts"]),
    (
        signals.judged,
        {"metric": "walked", "outcome": "ok", "score": 0.5},
        ["milepost_eval_score", "milepost_eval_judgements"],
    ),
    (signals.judged, {"metric": "walked", "outcome": "error", "score": None}, ["milepost_eval_judgements"]),
    (signals.webhook_delivered, {"outcome": "ok"}, ["milepost_webhook_deliveries"]),
    (signals.webhook_switched_off, {}, ["milepost_webhooks_switched_off"]),
    (signals.mail_sent, {"outcome": "ok"}, ["milepost_mails"]),
    (signals.job_done, {"task": "walked", "outcome": "ok", "seconds": 0.2}, ["milepost_jobs", "milepost_job_duration_seconds"]),
    (signals.traces_exported, {"backend": "otlp", "outcome": "ok", "spans": 3}, ["milepost_trace_spans"]),
    (signals.database_sampled, {"sample": None}, []),
    (
        signals.database_sampled,
        {"sample": Sample(schema_found="one", schema_needed="other", work=_WORK, tables={"walked": TableSize(rows=74, bytes=740)})},
        [
            *("milepost_runs_pending", "milepost_runs_pending_oldest_seconds"),
            *("milepost_interrupts_open", "milepost_interrupts_oldest_seconds"),
            *("milepost_jobs_waiting", "milepost_jobs_oldest_seconds"),
            *("milepost_remember_backlog", "milepost_chore_last_success_timestamp_seconds"),
            *("milepost_backup_last_success_timestamp_seconds", "milepost_table_rows", "milepost_table_bytes"),
            *("milepost_schema_info", "milepost_schema_drift", "milepost_sampled_timestamp_seconds"),
        ],
    ),
    (sampled.schema_seen, {"found": "seen", "needed": "other"}, ["milepost_schema_info", "milepost_schema_drift"]),
    (sampled.traces_waiting, {"backend": "otlp", "spans": 78}, ["milepost_trace_queue_spans"]),
)

# Moved by no signal, but by who looks when a scrape comes, or by a clock, or once at the start.
LOOKED_AT: Final = {
    "milepost_runs_live",
    "milepost_runs_live_max",
    "milepost_pool_connections",
    "milepost_pool_connections_max",
    "milepost_pool_waiting",
    "milepost_pool_waits",
    "milepost_pool_wait_seconds",
    "milepost_loop_lag_seconds",
    "milepost_build_info",
    "milepost_cost_budget_usd_per_hour",
}

# What has no series yet, for only what happens tells which.
UNKNOWN_BEFORE: Final = frozenset(
    {
        "http_server_request_duration_seconds",  # a series for each route and status would be most of the scrape
        "milepost_tool_approvals",
        "milepost_mcp_server_up",
        "milepost_table_rows",
        "milepost_table_bytes",
        "milepost_chore_last_success_timestamp_seconds",
        "milepost_schema_info",
        "milepost_build_info",
        "milepost_pool_connections",
        "milepost_pool_connections_max",
        "milepost_pool_waiting",
        "milepost_pool_waits",
        "milepost_pool_wait_seconds",
    }
)
