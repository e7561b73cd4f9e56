"""What users have said here of late, masked: cases with the answers that they were given."""

from collections.abc import Sequence
from typing import Final

from app.persistence.address import database_url
from app.persistence.database import open_database
from app.persistence.said import SaidTurn, Wanted, said_of_late
from app.settings import Settings
from evals.answers import Answer, ToolCall, Turn
from evals.cases import MOST_TURNS, Case, Dataset
from evals.errors import EvalsError
from evals.masking import masked_json, masked_text

_NAME: Final = "recent"
_LONGEST: Final = 100_000
_THOUGHT: Final = {1: "liked", -1: "disliked"}


async def recent_runs(settings: Settings, wanted: Wanted, *, limit: int, seed: int) -> list[tuple[Case, Answer]]:
    """A sample, the same for the same seed; raise EvalsError where there is none, and DatabaseUnavailable."""
    with database_url(settings.database) as url:
        async with open_database(url, settings.database) as database:
            found = await said_of_late(database.pool, wanted, limit=limit, seed=seed, turns=MOST_TURNS)
    # Of a message that was nothing but an attachment there is nothing to ask again.
    sampled = [(case_of(turns), answer_of(turns)) for turns in found if all(turn.said.strip() for turn in turns)]
    if not sampled:
        raise EvalsError("No run of this database is what was asked for.")
    return sampled


def dataset_of(cases: Sequence[Case], name: str = _NAME) -> Dataset:
    return Dataset(name=name, version=1, description="What users have said, masked", cases=tuple(cases))


def case_of(turns: Sequence[SaidTurn]) -> Case:
    """What was said up to this run; the note has what was answered, and what the user thought of it."""
    last, said = turns[-1], tuple(masked_text(turn.said)[:_LONGEST] for turn in turns)
    return Case(
        id=f"run-{last.run_id}",
        input=said[0] if len(said) == 1 else None,
        conversation=said if len(said) > 1 else (),
        tags=frozenset(tag for tag in (_NAME, _THOUGHT.get(last.score or 0), "failed" if last.error_code else None) if tag),
        note=_note(last),
        reviewed=False,
    )


def answer_of(turns: Sequence[SaidTurn]) -> Answer:
    """What users were answered."""
    last = turns[-1]
    return Answer(case_id=f"run-{last.run_id}", attempt=1, turns=[_turn(turn) for turn in turns], error=last.error_code)


def _turn(turn: SaidTurn) -> Turn:
    return Turn(
        said=masked_text(turn.said),
        text=masked_text(turn.answered),
        tool_calls=[
            ToolCall(
                name=call["name"],
                args=masked_json(call.get("args") or {}),
                result=masked_text(call.get("content") or ""),
                is_error=bool(call.get("is_error")),
            )
            for call in turn.tool_calls
        ],
        run_id=str(turn.run_id),
        model=turn.model,
        input_tokens=turn.input_tokens,
        output_tokens=turn.output_tokens,
        cost_usd=turn.cost_usd,
        first_token_seconds=turn.first_token_seconds,
        seconds=turn.seconds,
    )


def _note(turn: SaidTurn) -> str:
    parts = [
        f"It failed: {turn.error_code}." if turn.error_code else "",
        f"The answer was:\n{masked_text(turn.answered)}" if turn.answered else "",
        f"The user said of it: {masked_text(turn.comment)}" if turn.comment else "",
    ]
    return "\n\n".join(filter(None, parts))[:_LONGEST]
