"""Write the answer aloud, with the numbers of its sources and the list of them, which is ours and not the model's."""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from app.agent.nodes.recall import recalled
from app.agent.prompts import filled, quoted
from app.agent.researcher.asking import NO_ANSWER, instructions
from app.agent.researcher.citations import CitingHearer, as_list, with_citations
from app.agent.researcher.state import Finding, ResearcherState, ResearcherUpdate, Source
from app.agent.researcher.telling import WRITING, at, tell_sent_back, tell_written
from app.agent.state import AgentContext, Listener
from app.llm.calls import account

_SENT_BACK: Final = "The answer was reviewed, and is written once more."
NOTHING_READ: Final = "\n\n*No page on the web could be found and read for this answer.*"


async def write(state: ResearcherState, runtime: Runtime[AgentContext]) -> ResearcherUpdate:
    context = runtime.context
    if (memories := state.get("memories")) is None:  # a run goes on after a crash
        memories = await recalled(context, state["messages"])
    draft = _draft(state)
    if draft is None:
        answer, cited = await _written(context, state, memories, None)
        return {"messages": [answer], "cited": cited, "memories": memories}
    _take_back(context.listener)
    try:
        better, cited = await _written(context, state, memories, draft)
    except NO_ANSWER:
        # What there was is better than nothing.
        _take_back(context.listener)
        context.listener.at(at("write")).token(draft.text)
        tell_written(context.listener, state.get("cited", ()))
        return {}
    better.id = draft.id  # takes its place
    return {"messages": [better], "cited": cited, "memories": memories, "accounts": [account(draft)]}


def _take_back(listener: Listener) -> None:
    """The review came after the draft and goes with it, and yet it is why: it is told once more."""
    listener.answer_taken_back(_SENT_BACK)
    tell_sent_back(listener)


async def _written(
    context: AgentContext, state: ResearcherState, memories: Sequence[str], draft: AIMessage | None
) -> tuple[AIMessage, list[Source]]:
    """The answer, and the sources of its list."""
    findings = state.get("findings", [])
    sources = sources_of(findings)
    context.listener.step(at("write"), "begun", WRITING, {})
    again = filled("research_again.md", draft=quoted(draft.text), remarks=quoted(state.get("remarks", ""))) if draft else ""
    more = {"notes": notes_of(findings, sources), "again": again}
    prompt = [SystemMessage(instructions(context, state, memories, "research_write.md", more)), *_conversation(state)]
    hearer = context.listener.at(at("write"))
    citing = CitingHearer(hearer, sources) if findings else None
    answer = await context.model.ask(prompt, options=context.options, hearer=citing or hearer)
    if citing is None:
        tell_written(context.listener, ())
        return answer, []
    text, listed = with_citations(answer.text, sources)
    closing = as_list(listed) or NOTHING_READ
    citing.end(closing)
    tell_written(context.listener, listed)
    return _saying(text + closing, answer), listed


def _saying(text: str, answer: AIMessage) -> AIMessage:
    """The answer with other words, and its thoughts, where they are blocks beside its text."""
    if isinstance(answer.content, str):
        return answer.model_copy(update={"content": text})
    beside = [block for block in answer.content if isinstance(block, dict) and block.get("type") != "text"]
    return answer.model_copy(update={"content": [*beside, {"type": "text", "text": text}]})


def sources_of(findings: Sequence[Finding]) -> list[Source]:
    """Each page once, in the order of the questions: a source's number is its place."""
    return [*{source["url"]: source for one in findings for source in one["sources"]}.values()]


def notes_of(findings: Sequence[Finding], sources: Sequence[Source]) -> str:
    """A line of JSON for each note, and for each question that has none."""
    return "\n".join(map(quoted, _lines(findings, {source["url"]: number for number, source in enumerate(sources, start=1)})))


def _lines(findings: Sequence[Finding], numbers: dict[str, int]) -> Iterator[dict[str, object]]:
    titles = {source["url"]: source["title"] for one in findings for source in one["sources"]}
    for one in findings:
        if one["failure"]:
            yield {"question": one["question"], "found": "nothing", "because": one["failure"]}
        for note in one["notes"]:
            url = note["url"]
            yield {"source": numbers[url], "site": urlsplit(url).hostname, "title": titles[url], "says": note["says"]}


def _draft(state: ResearcherState) -> AIMessage | None:
    """The answer that was sent back."""
    last = state["messages"][-1]
    return last if state.get("remarks") and isinstance(last, AIMessage) else None


def _conversation(state: ResearcherState) -> Sequence[AnyMessage]:
    """Up to what the user said last."""
    messages = state["messages"]
    return messages[: 1 + max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))]
