"""What the agent asks a person, and the person's answers as the question's schema wants them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.terminal.account import yes
from app.terminal.screen import Screen

type Question = Mapping[str, Any]


def answered(questions: Sequence[Question], screen: Screen) -> list[dict[str, Any]]:
    """As `resume` takes them."""
    return [{"interrupt_id": question["id"], "value": _answer(question, screen)} for question in questions]


def in_words(question: Question) -> str:
    """What is asked, on one line."""
    value = question["value"]
    if _is_approval(value):
        return f"The agent wants to call {value['tool']} {json.dumps(value['args'], ensure_ascii=False)}"
    if isinstance(value, Mapping):
        words = next((name for name in ("question", "message", "prompt") if isinstance(value.get(name), str)), None)
        more = {name: inner for name, inner in value.items() if name not in {words, "kind"}}
        if words:
            return f"{value[words]} {json.dumps(more, ensure_ascii=False)}" if more else str(value[words])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_approval(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("kind") == "approval"


def _answer(question: Question, screen: Screen) -> Any:  # noqa: ANN401  # JSON of any shape
    screen.note(in_words(question))
    if _is_approval(question["value"]):
        approved = yes(screen.ask("Let it? [y/N] "))
        comment = "" if approved else screen.ask("Why not (for the agent, may be empty): ").strip()
        return {"approved": approved, "comment": comment} if comment else {"approved": approved}
    match question["schema"]:
        case {"enum": [*choices]}:
            return _chosen(choices, screen)
        case {"type": "boolean"}:
            return yes(screen.ask("[y/N] "))
        case {"type": "object", "required": ["approved"]}:
            return {"approved": yes(screen.ask("[y/N] "))}
        case {"type": "string"}:
            return screen.ask("> ")
        case schema:
            screen.note(f"as JSON, of the schema {json.dumps(schema)}")
            return _json(screen)


def _chosen(choices: Sequence[Any], screen: Screen) -> Any:  # noqa: ANN401
    said = screen.ask(f"One of {', '.join(map(str, choices))}: ").strip()
    return next((choice for choice in choices if str(choice) == said), said)


def _json(screen: Screen) -> Any:  # noqa: ANN401
    while True:
        try:
            return json.loads(screen.ask("(Ctrl-C leaves) > "))
        except ValueError:
            screen.fail("That is no JSON.")
