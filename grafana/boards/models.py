"""Models and tools: which provider is slow, failing or dear, which tool, and does the memory work?"""

from collections.abc import Mapping
from typing import Final

from app.observability import metrics as m
from grafana.boards.kinds import bars, series, states, table
from grafana.boards.panels import OUTCOMES, Board, Colour, Limits, Query, Row, Variable
from grafana.boards.promql import calls, highest, increase, lowest, mean, per_minute, quantile, rate

_ASKED: Final = 'gen_ai_request_model=~"$model"'
_CHOSEN: Final = 'model=~"$model"'
_FAILED: Final = f'{_ASKED}, error_type!=""'


_CALLS: Final = (
    series(
        "Calls a second, by model",
        "Every try counts, retries too.",
        Query(calls(m.MODEL_SECONDS, "gen_ai_request_model", where=_ASKED), "{{gen_ai_request_model}}"),
        unit="reqps",
    ),
    series(
        "Calls that fail",
        "The share of tries that a provider did not answer as it should.",
        Query(
            f"{calls(m.MODEL_SECONDS, 'gen_ai_request_model', where=_FAILED)}"
            f" / {calls(m.MODEL_SECONDS, 'gen_ai_request_model', where=_ASKED)}",
            "{{gen_ai_request_model}}",
        ),
        unit="percentunit",
        limits=Limits(0.05, 0.25),
        most=1,
        runbook="models-fail",
    ),
    series(
        "Why they fail",
        "Tries that failed a second, by code.",
        Query(calls(m.MODEL_SECONDS, "gen_ai_request_model", "error_type", where=_FAILED), "{{gen_ai_request_model}} {{error_type}}"),
        unit="reqps",
        stacked=True,
    ),
    series(
        "First token",
        "95 % of answers begin sooner, once the model is asked.",
        Query(quantile(0.95, m.MODEL_FIRST_TOKEN_SECONDS, "gen_ai_request_model", where=_ASKED), "{{gen_ai_request_model}}"),
        unit="s",
        limits=Limits(3, 10),
        runbook="first-tokens-slow",
    ),
    series(
        "Time for each token after it",
        "The mean. 0.02 s is 50 tokens a second, faster than anybody reads.",
        Query(mean(m.MODEL_TOKEN_SECONDS, "gen_ai_request_model", where=_ASKED), "{{gen_ai_request_model}}"),
        unit="s",
        limits=Limits(0.1, 0.3),
    ),
    series(
        "Time of a call",
        "95 % of tries are over sooner.",
        Query(
            quantile(0.95, m.MODEL_SECONDS, "gen_ai_request_model", "gen_ai_operation_name", where=_ASKED),
            "{{gen_ai_request_model}} {{gen_ai_operation_name}}",
        ),
        unit="s",
    ),
)


_BREAKER: Final[Mapping[int, tuple[str, Colour]]] = {0: ("closed", "green"), 1: ("half open", "orange"), 2: ("open", "red")}
# Of the worst instance: one that asks a model seldom, such as a worker, has its breaker closed whatever the others see.
_OPENED: Final = highest(m.BREAKER_STATE, "model", where=f'state="open", {_CHOSEN}')
_HALF_OPEN: Final = highest(m.BREAKER_STATE, "model", where=f'state="half_open", {_CHOSEN}')

_DETOURS: Final = (
    states(
        "Circuit breakers",
        "Open is a model that is left alone for a while, because it failed again and again: at one instance at least.",
        Query(f"clamp_max(2 * {_OPENED} + {_HALF_OPEN}, 2)", "{{model}}"),
        words=_BREAKER,
        runbook="models-fail",
    ),
    table(
        "Breakers that opened",
        "How often, in the time that is shown.",
        Query(increase(m.BREAKERS_OPENED, "model", where=_CHOSEN)),
        columns={"model": "Model", "Value": "Times"},
        limits=Limits(1, 10),
    ),
    table(
        "Fallbacks",
        "Answers that another model gave than the one that was asked, in the time that is shown.",
        Query(f"{increase(m.MODEL_FALLBACKS, 'model', 'next_model', 'error', where=_CHOSEN)} > 0"),
        columns={"model": "From", "next_model": "To", "error": "Why", "Value": "Times"},
        runbook="models-fail",
    ),
    series(
        "Retries, a minute",
        "Calls made once more to the same model, by why.",
        Query(f"{per_minute(m.MODEL_RETRIES, 'model', 'error', where=_CHOSEN)} > 0", "{{model}} {{error}}"),
        unit="cpm",
        stacked=True,
    ),
    series(
        "Answers taken back, a minute",
        "Answers that had begun when the model failed: readers saw them vanish and begin anew.",
        Query(per_minute(m.MODEL_RESETS, "model", where=_CHOSEN), "{{model}}"),
        unit="cpm",
    ),
    series(
        "Response cache",
        "Answers that were looked for in it, a second.",
        Query(rate(m.CACHE_REQUESTS, "result"), "{{result}}"),
        unit="ops",
        stacked=True,
        colours={"hit": "green", "shared": "blue", "miss": "yellow"},
    ),
)


_MONEY: Final = (
    series(
        "Tokens a second, by kind",
        "Cached ones are input too, reasoning ones output.",
        Query(rate(m.MODEL_TOKENS, "kind", where=_CHOSEN), "{{kind}}"),
        unit="ops",
    ),
    series(
        "Dollars an hour, by model",
        "At the pace of the moment.",
        Query(f"{rate(m.MODEL_COST, 'model', where=_CHOSEN)} * 3600", "{{model}}"),
        unit="currencyUSD",
        stacked=True,
        runbook="cost",
    ),
    bars(
        "Dollars, by purpose",
        "What answers came to in the time that is shown, and what names, memories and summaries did.",
        Query(increase(m.MODEL_COST, "purpose", where=_CHOSEN), "{{purpose}}"),
        unit="currencyUSD",
    ),
    table(
        "Calls without a price",
        "In the time that is shown. They count for nothing in costs and budgets: give the model a price in models.yaml.",
        Query(increase(m.MODEL_UNPRICED, "model", where=_CHOSEN)),
        columns={"model": "Model", "Value": "Calls"},
        limits=Limits(1, 100),
        runbook="cost",
    ),
)


_TOOLS: Final = (
    series(
        "Tool calls a minute, by outcome",
        "Error is the tool's own word to the model; failed is a bug or a lost server; unfit are arguments that made no sense.",
        Query(f"{per_minute(m.TOOL_CALLS, 'outcome')} > 0", "{{outcome}}"),
        unit="cpm",
        stacked=True,
        colours=OUTCOMES,
    ),
    table(
        "Tool calls that came to nothing",
        "By tool and outcome, in the time that is shown.",
        Query(f"{increase(m.TOOL_CALLS, 'tool', 'outcome', where='outcome!="ok"')} > 0"),
        columns={"tool": "Tool", "outcome": "Outcome", "Value": "Times"},
    ),
    series(
        "Time of a tool",
        "95 % of calls are over sooner, waits for room included.",
        Query(quantile(0.95, m.TOOL_SECONDS, "tool"), "{{tool}}"),
        unit="s",
    ),
    series(
        "Approvals asked, a minute",
        "Calls that people were asked about.",
        Query(per_minute(m.TOOL_APPROVALS, "tool"), "{{tool}}"),
        unit="cpm",
    ),
    states(
        "MCP servers",
        "Whether the line to a server of tools is open, on all instances.",
        Query(lowest(m.MCP_UP, "server"), "{{server}}"),
        words={0: ("down", "red"), 1: ("up", "green")},
        runbook="mcp",
    ),
)


_JUDGES: Final = (
    series(
        "What judges say of answers",
        "The mean of their scores by metric, 1 being good, of a sample of answers.",
        Query(mean(m.EVAL_SCORE, "metric"), "{{metric}}"),
        unit="percentunit",
        most=1,
        runbook="judges",
    ),
    series(
        "Answers judged, a minute",
        "Budget is what nobody was asked for, because the day's money was spent.",
        Query(per_minute(m.EVAL_JUDGEMENTS, "outcome"), "{{outcome}}"),
        unit="cpm",
        stacked=True,
        colours={"ok": "green", "error": "red", "budget": "orange"},
        runbook="judges",
    ),
    series(
        "What judging costs, an hour",
        "In dollars, by the model that judges.",
        Query(f"{rate(m.MODEL_COST, 'model', where='purpose="judge"')} * 3600", "{{model}}"),
        unit="currencyUSD",
        runbook="judges",
    ),
)


_SPANS: Final[Mapping[str, Colour]] = {"ok": "green", "failed": "red", "dropped": "orange", "waiting": "blue"}

_MEMORY: Final = (
    series(
        "Recalls a second, by outcome",
        "Looking for what is known of a user, before an answer. A failed one costs the answer its memories and nothing else.",
        Query(calls(m.RECALL_SECONDS, "outcome"), "{{outcome}}"),
        unit="ops",
        stacked=True,
        colours={"found": "green", "nothing": "blue", "failed": "red", "timeout": "purple", "left_alone": "orange"},
    ),
    series(
        "Time of a recall",
        "It is time that every first token waits for.",
        *(Query(quantile(q, m.RECALL_SECONDS), name) for q, name in ((0.5, "median"), (0.95, "95 %"))),
        unit="s",
        limits=Limits(0.3, 1),
    ),
    series(
        "Remembering",
        "Reading what was said for what is worth keeping, a minute, and the facts that were kept.",
        Query(f"{calls(m.REMEMBER_SECONDS, 'outcome')} * 60", "{{outcome}}"),
        Query(per_minute(m.MEMORIES_KEPT), "facts"),
        unit="cpm",
    ),
    series("Time to remember", "The mean; nobody waits for it.", Query(mean(m.REMEMBER_SECONDS, "outcome"), "{{outcome}}"), unit="s"),
    series(
        "Sessions not read yet",
        "Sessions whose last words the memory has not read. It grows by day and should shrink by night.",
        Query(highest(m.REMEMBER_BACKLOG), "sessions"),
    ),
    series(
        "Traces",
        "Spans a second that were given to each tracing backend, and those that wait for it.",
        Query(rate(m.TRACE_SPANS, "backend", "outcome"), "{{backend}} {{outcome}}"),
        Query(highest(m.TRACE_QUEUE, "backend"), "{{backend}} waiting"),
        colours={f"{backend} {what}": colour for backend in ("langfuse", "otlp") for what, colour in _SPANS.items()},
        runbook="traces",
    ),
)


BOARD: Final = Board(
    uid="milepost-models",
    title="Milepost · Models and tools",
    description="Which provider is slow, failing or dear, which tool, and does the memory work?",
    variables=(Variable(name="model", label="Model", metric="gen_ai_client_operation_duration_seconds_count", of="gen_ai_request_model"),),
    rows=(
        Row("Calls", _CALLS),
        Row("Detours", _DETOURS),
        Row("Tokens and money", _MONEY),
        Row("Judges", _JUDGES),
        Row("Tools", _TOOLS),
        Row("Memory and traces", _MEMORY),
    ),
)
