"""What the demo model says as a part of the researcher: it knows each part by the form of what that is told."""

import json
import re
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from app.llm.demo_wishes import introduced_name, is_smalltalk, question

_PAGES: Final = re.compile(r"<question>\n(.*)\n</question>\n<pages>\n(.*)\n</pages>", re.DOTALL)
_REVIEWED: Final = re.compile(r"<question>\n.*\n</question>\n<notes>\n.*\n</notes>\n<answer>\n.*\n</answer>", re.DOTALL)
_PLANNED: Final = 'answer {"questions": []}'
_NOTES: Final = re.compile(r"<notes>\n(.*)\n?</notes>", re.DOTALL)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s")
_MAX_SENTENCE: Final = 300
_HONEST: Final = "I am Milepost's demo model: a few fixed rules, not a language model, because no model key is set."


def research_reply(messages: Sequence[BaseMessage]) -> str | None:
    """None where it is no part of the researcher."""
    last = str(messages[-1].text) if messages else ""
    instructions = "\n".join(str(message.text) for message in messages if isinstance(message, SystemMessage))
    if told := _PAGES.fullmatch(last):
        return _note(told[2])
    if _REVIEWED.fullmatch(last):
        return '{"good": true}'
    if _PLANNED in instructions:
        return _plan(next((str(message.text) for message in reversed(messages) if isinstance(message, HumanMessage)), ""))
    notes = _NOTES.search(instructions)
    return _answer(notes[1]) if notes and notes[1].strip() else None


def _plan(asked: str) -> str:
    """One search, for what the user says, unless that is about the conversation itself."""
    is_talk = is_smalltalk(asked) or question(asked) or introduced_name(asked)
    return json.dumps({"questions": [] if is_talk or not asked.strip() else [asked.strip()]})


def _note(pages: str) -> str:
    """The first sentence of each page."""
    told = [json.loads(page) for page in pages.split("\n")]
    return json.dumps({"notes": [{"page": page["page"], "says": _first_sentence(page["text"])} for page in told]}, ensure_ascii=False)


def _answer(notes: str) -> str:
    told = [json.loads(line) for line in notes.strip().split("\n")]
    found = [f"- {one['says']} [{one['source']}]" for one in told if "source" in one]
    if found:
        return "\n".join(["This is how the pages that were read begin:", "", *found, "", _HONEST])
    reasons = dict.fromkeys(one["because"] for one in told if "because" in one)
    return f"I could not find anything on the web. {' '.join(reasons)}\n\n{_HONEST}"


def _first_sentence(text: str) -> str:
    sentence = _SENTENCE_END.split(" ".join(text.split()), maxsplit=1)[0]
    return sentence if len(sentence) <= _MAX_SENTENCE else f"{sentence[: _MAX_SENTENCE - 1]}…"
