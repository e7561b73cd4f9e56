"""What the demo model recognises in a message: a handful of fixed sentence forms, nothing cleverer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MAX_READ_CHARACTERS: Final = 2_000
MAX_WISHES: Final = 5


class Question(Enum):
    """A question about the conversation itself."""

    MY_NAME = auto()
    MY_FIRST_MESSAGE = auto()
    MY_LAST_MESSAGE = auto()
    MEMORIES = auto()
    FOOD = auto()
    HOME = auto()
    INSTRUCTIONS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolWish:
    """A wish that a tool can fulfil."""

    tool: str
    args: Mapping[str, str]


def tool_wishes(text: str) -> list[ToolWish]:
    """Return the wishes for tools in the order in which they are said, at most MAX_WISHES."""
    return [wish for clause in _clauses(text) for wish in _wishes_of_clause(clause)][:MAX_WISHES]


def question(text: str) -> Question | None:
    """Return the first question about the conversation, if the text asks one."""
    return next((asked for clause in _clauses(text) for asked, form in _QUESTIONS.items() if form.search(clause)), None)


def introduced_name(text: str) -> str | None:
    """Return the name that somebody gives for themselves ("my name is Ada"), or that a memory gives for them."""
    found = _INTRODUCTION.search(text[:MAX_READ_CHARACTERS])
    return found["name"] if found else None


def is_about_food(text: str) -> bool:
    return bool(_FOOD.search(text[:MAX_READ_CHARACTERS]))


def is_about_home(text: str) -> bool:
    return bool(_HOME.search(text[:MAX_READ_CHARACTERS]))


def is_smalltalk(text: str) -> bool:
    """A greeting, or thanks, and nothing else."""
    return bool(_SMALLTALK.fullmatch(text.strip()))


def _clauses(text: str) -> Iterator[str]:
    for clause in _CLAUSE_END.split(text[:MAX_READ_CHARACTERS].replace("’", "'")):  # noqa: RUF001  # phones write it so
        if plain := _COURTESY_AFTER.sub("", _COURTESY_BEFORE.sub("", clause.strip(" ,"))):
            yield plain


def _wishes_of_clause(clause: str) -> Iterator[ToolWish]:
    if rename := _RENAME.fullmatch(clause):
        yield ToolWish(tool="rename_session", args={"name": rename["name"].strip(" \"'“”")})
    elif search := _SEARCH.fullmatch(clause):
        yield ToolWish(tool="web_search", args={"query": search["query"].strip(" \"'“”")})
    elif time := _TIME.fullmatch(clause):
        for place in re.split(r",? and (?:in )?", time["place"] or "UTC"):
            yield ToolWish(tool="current_time", args={"zone": place})
    elif expression := _expression(clause):
        yield ToolWish(tool="calculate", args={"expression": expression})


def _expression(clause: str) -> str | None:
    asked = _SUM_BEFORE.sub("", clause).rstrip(" =")
    for words, sign in _SIGNS:
        asked = words.sub(sign, asked)
    asked = " ".join(asked.split())
    return asked if _ARITHMETIC.fullmatch(asked) and _OPERATION.search(asked) else None


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# A full stop ends a clause only before white space: 1.5 and python.org are whole. "and" ends one only where another wish begins.
_CLAUSE_END: Final = _form(r"[?!;\n]+|\.(?=\s|$)|,?\s(?:and|then)\s(?=(?:then |also )?(?:what|how|calc|comp|search|look|tell|the time|\d))")
_COURTESY_BEFORE: Final = _form(r"^(?:(?:hi|hey|hello|please|then|also|and|so|ok|okay|can you|could you|tell me|do you know)\b[,\s]*)+")
_COURTESY_AFTER: Final = _form(r"(?:[,\s]+(?:please|thanks|thank you))+$")

_SEARCH: Final = _form(r"(?:search(?: the web| the internet| online)? for|search the web|look up|google) +(?P<query>.+)")
_RENAME: Final = _form(r"(?:rename|call|name) (?:this|the|our) (?:conversation|session|chat)(?: to| into)? (?P<name>.+)")
_NOW: Final = r"(?: (?:right now|now|today|at the moment))?"
_TIME: Final = _form(
    rf"(?:what(?:'s| is)? )?(?:the )?(?:current |local )?(?:time|date|day)(?: and (?:time|date))?(?: is it| it is)?{_NOW}"
    rf"(?: (?:in|at|for) (?P<place>[\w /,'.+-]+?))?{_NOW}"
)

_SUM_BEFORE: Final = _form(r"^(?:(?:what(?:'s| is| are)|how much (?:is|are)|calculate|compute|evaluate|work out)\b[:\s]*)+")
_SIGNS: Final = (
    (_form(r"\bsquare root of ([\d.]+)"), r"sqrt(\1)"),
    (_form(r"(?<![\d.])([\d.]+) ?(?:%|percent) of\b"), r"\1/100 *"),
    (_form(r"\b(?:to the power of)\b"), "**"),
    (_form(r"\b(?:times|multiplied by)\b|(?<=[\d)] )x(?= [\d(])|(?<=\d)x(?=\d)"), "*"),
    (_form(r"\bdivided by\b"), "/"),
    (_form(r"\bplus\b"), "+"),
    (_form(r"\bminus\b"), "-"),
    (_form(r" squared\b"), "**2"),
)
_ARITHMETIC: Final = _form(r"(?:[\d\s+\-*/%().,^×÷−]|[a-z]\w{1,9}\(|\bpi\b|\be\b)+")  # noqa: RUF001  # signs people type
_OPERATION: Final = _form(r"[\d)ei] ?[+\-*/%^×÷−]+ ?\S|\w\(")  # noqa: RUF001

_SMALLTALK: Final = _form(
    r"(?:(?:hi|hey|hello|thanks|thank you|thx|bye|goodbye|ok|okay|great|good (?:morning|evening|day)|very much|a lot|there|you)\b[\s,.!]*)+"
)
_INTRODUCTION: Final = _form(
    r"(?:(?:\bmy |\buser'?s? |^)name(?:'s|’s| is)|\bcall me|\bi(?:'m|’m| am) called) (?!not\b)(?P<name>[^\W\d_][\w'’-]{0,39})"  # noqa: RUF001
)
_FOOD: Final = _form(r"\b(?:eat|eats|food|meat|fish|vegan|vegetarian|allerg\w*|cook|drink|drinks|diet)\b")
_HOME: Final = _form(r"\b(?:lives?|living|moved|home|residence|based) (?:in|to|at|is|near)\b")
_QUESTIONS: Final = {
    Question.MY_NAME: _form(r"\bwhat(?:'s| is| was) my name\b|\bwho am i\b|\bmy name\b.*\bremember\b|\bremember my name\b|^my name$"),
    Question.MY_FIRST_MESSAGE: _form(r"\bwhat did i (?:say|write|ask) first\b|\bmy (?:very )?first (?:message|question)\b"),
    Question.MY_LAST_MESSAGE: _form(
        r"\bwhat (?:did i|i) (?:just )?(?:say|said|write|wrote|ask|asked)\b|\bmy (?:last|previous) (?:message|question)\b"
    ),
    Question.INSTRUCTIONS: _form(r"\b(?:your|the) (?:hidden |secret |own )?(?:instructions|system prompt)\b"),
    Question.MEMORIES: _form(
        r"\bwhat (?:do|can) you (?:know|remember) (?:about|of) me\b|\bwhat do you remember$|\byour memor(?:y|ies) of me\b"
    ),
    Question.FOOD: _form(
        r"\b(?:what|which|how|suggest|idea|recipe)\b.*\b(?:cook|eat|dinner|lunch|breakfast|meal)\b|\brecipe\b"
        r"|^(?:can|could|may|should|do|would) (?:i|we) (?:\w+ )?(?:eat|have|order|try|cook)\b"
    ),
    Question.HOME: _form(
        r"\bwhere (?:do i live|i live|am i (?:from|based|living)|is my home)\b|\bwh(?:at|ich) (?:city|town|country) .*\bi live\b"
    ),
}
