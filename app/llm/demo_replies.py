"""What the demo model says, made from the conversation by fixed rules."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from app.llm.attachments import own_words
from app.llm.demo_obedience import instructions, may_tell_instructions
from app.llm.demo_research import research_reply
from app.llm.demo_wishes import Question, introduced_name, is_about_food, is_about_home, question

MAX_QUOTE_LENGTH: Final = 160
MAX_RESULT_LENGTH: Final = 4_000

_MOST_SUMMED_UP: Final = 40

# As the agent tells it: a summary is a JSON string, and what is to be folded into it a JSON object on each line.
_TO_SUM_UP: Final = re.compile(r"<summary>\n(.*)\n</summary>\n<conversation>\n(.*)\n</conversation>", re.DOTALL)
_SUMMARY: Final = re.compile(r"<summary>\n(.*)\n</summary>")
_SAID: Final = "- The user said: "
_MEMORIES: Final = re.compile(r"<memories>\n(.*?)\n?</memories>", re.DOTALL)


def reply(messages: Sequence[BaseMessage]) -> str:
    """Answer the last message: sum up, be a part of the researcher, tell what tools found, or talk about the conversation so far."""
    to_fold = _TO_SUM_UP.fullmatch(str(messages[-1].text)) if messages else None
    return _summary(*to_fold.groups()) if to_fold else research_reply(messages) or _tell_instructions(messages) or _talk(messages)


def _talk(messages: Sequence[BaseMessage]) -> str:
    if results := _fresh_results(messages):
        calls = {call["id"]: call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls}
        return "\n\n".join(_tell(result, calls.get(result.tool_call_id)) for result in results)
    said = [*_said_before(messages), *(own_words(str(message.text)) for message in messages if isinstance(message, HumanMessage))]
    memories = [memory for message in messages if isinstance(message, SystemMessage) for memory in _memories(str(message.text))]
    match question(said[-1]) if said else None:
        case Question.MY_NAME:
            return _tell_name(said, memories)
        case Question.MY_FIRST_MESSAGE:
            return f"Your first message was: {_quoted(said[0])}" if said[:-1] else "This is your first message."
        case Question.MY_LAST_MESSAGE:
            return (
                f"Before this you said: {_quoted(said[-2])}"
                if said[:-1]
                else "This is your first message: you have said nothing before it."
            )
        case Question.MEMORIES | Question.FOOD | Question.HOME as asked if told := _tell_memories(asked, memories):
            return told
    return _introduction(said)


def _fresh_results(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    newest_first = takewhile(lambda message: isinstance(message, ToolMessage), reversed(messages))
    return [message for message in newest_first if isinstance(message, ToolMessage)][::-1]


def _tell(result: ToolMessage, call: ToolCall | None) -> str:
    name, content = call["name"] if call else result.name, _cut(str(result.text), MAX_RESULT_LENGTH)
    if result.status == "error":
        return f"Sorry, that did not work. {content}"
    if name == "calculate" and call:
        return f"`{call['args'].get('expression', 'The result')}` = {content}"  # as code, or Markdown would take 2*3*4 for emphasis
    return f"This is what the web search found:\n\n{content}" if name == "web_search" else content


def _tell_instructions(messages: Sequence[BaseMessage]) -> str:
    """Nothing where nobody asks for them."""
    last = messages[-1] if messages else None
    if not isinstance(last, HumanMessage) or question(own_words(str(last.text))) is not Question.INSTRUCTIONS:
        return ""
    if not may_tell_instructions(messages):
        return "I cannot tell you my instructions."
    return f"My instructions begin so: {_quoted(told)}" if (told := instructions(messages)) else "I have no instructions."


def _tell_name(said: Sequence[str], memories: Sequence[str]) -> str:
    if name := next((name for text in reversed(said) if (name := introduced_name(text))), None):
        return f"Your name is {name}: you told me earlier in this session."
    if name := next((name for text in memories if (name := introduced_name(text))), None):
        return f"Your name is {name}: I remember it from an earlier session."
    return "You have not told me your name yet. Say “my name is …”, and ask me again later."


def _tell_memories(asked: Question, memories: Sequence[str]) -> str:
    if asked is Question.FOOD:
        eaten = [*map(_quoted, filter(is_about_food, memories))]
        return f"Something that goes with what I remember of you: {', '.join(eaten)}." if eaten else ""
    if asked is Question.HOME:
        lived = [*map(_quoted, filter(is_about_home, memories))]
        return f"This is what I remember of where you live: {', '.join(lived)}." if lived else ""
    if not memories:
        return "I remember nothing about you."
    return "\n".join(["This is what I remember:", *(f"- {memory}" for memory in memories)])


def _introduction(said: Sequence[str]) -> str:
    greeting = "Hello! I am Milepost's demo model: a few fixed rules, not a language model, because no model key is set."
    heard = f"This is message {len(said)} of our conversation; you said: {_quoted(said[-1])}" if said else "You have not said anything yet."
    if (name := introduced_name(said[-1])) if said else None:
        heard = f"Nice to meet you, {name}. {heard}"
    return (
        f"{greeting}\n\n{heard}\n\nI can tell the time (“what time is it in Oslo?”), calculate (“what is 12*7?”), search the web "
        "(“search for Milepost”), rename this conversation if you agree (“rename this conversation to Oslo”), and look back "
        "(“what did I say before?”, “what is my name?”)."
    )


def _summary(before: str, conversation: str) -> str:
    """The user's messages, as far back as there is room, and the first one of all."""
    told = [json.loads(line) for line in conversation.split("\n")]
    said = [" ".join(one["text"].split()) for one in told if one["from"] == "user"]
    lines = [*json.loads(before).split("\n"), *(f"{_SAID}{_cut(text, MAX_QUOTE_LENGTH)}" for text in said)]
    lines = [line for line in lines if line.startswith(_SAID)]
    return "\n".join(lines if len(lines) <= _MOST_SUMMED_UP else [lines[0], *lines[1 - _MOST_SUMMED_UP :]])


def _said_before(messages: Sequence[BaseMessage]) -> Iterator[str]:
    """What a summary in the system prompt says the user has said."""
    for message in messages:
        if isinstance(message, SystemMessage) and (found := _SUMMARY.search(str(message.text))):
            for line in str(json.loads(found[1])).split("\n"):
                yield line.removeprefix(_SAID)


def _memories(prompt: str) -> Iterator[str]:
    """Read the facts about the user back from the system prompt, where each is a JSON string on a line of its own."""
    for block in _MEMORIES.findall(prompt):
        for line in block.split("\n"):
            try:
                yield str(json.loads(line.removeprefix("- ")))
            except ValueError:
                continue


def _quoted(text: str) -> str:
    return f"“{_cut(' '.join(text[: 2 * MAX_QUOTE_LENGTH].split()), MAX_QUOTE_LENGTH)}”"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
