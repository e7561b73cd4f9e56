"""What happens inside, told to whoever watches: the parts call these, `observability` hears them, and neither knows the other.

What is told is bounded: names of models, tools, agents and routes, outcomes, codes of errors and numbers, and never a text or an id. A
hearer is called at once on the event loop, so it must return at once and must not raise.
"""

from app.signals.sample import Sample
from app.signals.signal import Signal

# HTTP.


@Signal
def request_begun() -> None:
    """A request has come in; `request_ended` follows."""


@Signal
def request_ended(method: str, route: str, status: int, seconds: float) -> None:
    """The last byte went out, of an event stream the first; `status` is 0 where the client left before there was one."""


@Signal
def stream_opened() -> None:
    """A reader follows a run as server-sent events; `stream_closed` follows."""


@Signal
def stream_closed(reason: str) -> None:
    """`reason`: ended (with the run), hung_up (the reader left), login_over (they were shown out), closing (the server stops), failed."""


# Runs.


@Signal
def run_started(agent: str) -> None:
    """A message became a run, or a question was answered: once for a run, whoever makes it."""


@Signal
def attempt_begun(agent: str, attempt: int, waited_seconds: float) -> None:
    """A process makes an attempt, so long after the run was accepted, or given back."""


@Signal
def run_ended(agent: str, outcome: str, error: str, seconds: float, first_token_seconds: float | None) -> None:
    """Once for a run, by who wrote its end; times count from when it was accepted.

    `outcome`: completed, interrupted (asks a person), cancelled, refused (a limit or policy that is meant to stop it), failed (a fault of
    ours or a provider's). `error` is the code of what stopped it, else empty.
    """


@Signal
def run_recovered(agent: str) -> None:
    """A run whose process died is taken up by another."""


@Signal
def run_handed_back(agent: str) -> None:
    """A process that stops leaves the run to the next."""


@Signal
def attempts_exhausted(agent: str) -> None:
    """A run killed so many processes that it was given up."""


@Signal
def events_flushed(events: int, seconds: float) -> None:
    """One statement wrote the events of all runs of this process."""


@Signal
def events_ended(events: int) -> None:
    """The last events of a run, which were written in one statement with its end."""


@Signal
def events_not_flushed() -> None:
    """The database did not take them; they wait."""


@Signal
def events_replayed(events: int) -> None:
    """A reader was given events from the database and not from memory."""


@Signal
def event_gap() -> None:
    """A reader asked for events that are kept no more."""


# Models.


@Signal
def model_called(
    *,
    model: str,
    purpose: str,
    error: str,
    seconds: float,
    first_token_seconds: float | None,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    reasoning_tokens: int,
    cost_usd: float | None,
    from_cache: bool,
) -> None:
    """One try has ended; `cost_usd` is None where the price is not known, `error` a code or empty."""


@Signal
def model_retried(model: str, error: str) -> None:
    """The same model is asked again."""


@Signal
def model_fell_back(model: str, next_model: str, error: str) -> None:
    """Another model is asked in its stead; `error` is empty where it was not asked, for its breaker is open."""


@Signal
def answer_reset(model: str) -> None:
    """An answer that had begun was taken back."""


@Signal
def breaker_moved(model: str, state: str) -> None:
    """closed, open, half_open"""


@Signal
def cache_asked(result: str) -> None:
    """hit, miss, or shared: the answer was being made for somebody else of the same scope."""


# Tools.


@Signal
def tool_called(tool: str, outcome: str, seconds: float) -> None:
    """`outcome`: ok, error (in the tool's own words), failed (a bug, a lost server), timeout, no_room, unfit (its arguments), unknown,
    not_allowed, looping, rejected (by a person), not_repeated. A name that the model made up is told as unknown, too, and nothing of a
    call whose run is stopped meanwhile.
    """


@Signal
def approval_asked(tool: str) -> None:
    """A person is asked whether the call may be made: once for each end of a run that asks it."""


@Signal
def mcp_server_moved(server: str, up: bool) -> None:
    """The line to a server of tools was opened, or was lost."""


# Judges.


@Signal
def judged(metric: str, outcome: str, score: float | None) -> None:
    """An answer that was given was judged: `outcome` is ok, error (the judge could not be read, say) or budget (nobody was asked)."""


# Memory.


@Signal
def recalled(outcome: str, seconds: float) -> None:
    """`outcome`: found, nothing, failed, timeout, left_alone (the embedder's breaker is open)."""


@Signal
def remembered(outcome: str, seconds: float, facts: int) -> None:
    """`outcome`: kept, nothing, failed."""


# Checkpoints.


@Signal
def checkpoints_written(checkpoints: int, bytes_: int, seconds: float) -> None:
    """One statement wrote what a run had not written yet."""


@Signal
def checkpoint_read(seconds: float) -> None: ...


@Signal
def checkpoints_pruned(checkpoints: int) -> None: ...


# Limits and quotas.


@Signal
def limited(limit: str, tier: str) -> None:
    """A 429: `limit` is address, user, login, or the quota's name; `tier` is empty where nobody has signed in."""


@Signal
def quota_moved(what: str) -> None:
    """A reservation was made (reserved, extended) or refused, or is no more: its run has ended (settled), or was never begun (released)."""


@Signal
def shared_limits_moved(up: bool) -> None:
    """The Redis that holds limits for all processes answers, or does not."""


# Accounts.


@Signal
def signed_in(method: str, outcome: str) -> None:
    """`method`: password, page, oidc; `outcome`: ok, wrong, locked, disabled (known, and may not come in), failed."""


@Signal
def token_refused(reason: str) -> None:
    """An access token, refresh token or API key was not taken: expired, revoked, invalid, unknown."""


@Signal
def refresh_token_reused() -> None:
    """A refresh token came a second time: its login is over."""


@Signal
def locked_out(by: str) -> None:
    """Too many wrong passwords: `by` is account or address."""


# What goes out, and what is done in the background.


@Signal
def webhook_delivered(outcome: str) -> None:
    """ok, failed (it is tried again), given_up."""


@Signal
def webhook_switched_off() -> None: ...


@Signal
def mail_sent(outcome: str) -> None:
    """ok, failed"""


@Signal
def job_done(task: str, outcome: str, seconds: float) -> None:
    """`outcome`: ok, failed. A chore is a job that comes by the clock."""


@Signal
def database_sampled(sample: Sample | None) -> None:
    """What the database has of all servers; None while it cannot be asked."""


@Signal
def traces_exported(backend: str, outcome: str, spans: int) -> None:
    """`backend`: langfuse, otlp; `outcome`: ok, failed, dropped."""
