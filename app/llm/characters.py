"""Half a surrogate pair: a model or a tool may say it in JSON, and UTF-8 has no bytes for it, so no provider could be sent it again."""

from typing import Any

from langchain_core.messages import AIMessage


def with_whole_characters(answer: AIMessage) -> AIMessage:
    """The answer as it may stand in a later prompt; what it says otherwise would make every turn after it fail."""
    answer.content = whole(answer.content)
    answer.additional_kwargs = whole(answer.additional_kwargs)
    answer.tool_calls = whole(answer.tool_calls)
    answer.invalid_tool_calls = whole(answer.invalid_tool_calls)
    return answer


def whole(value: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """The value with its halves joined where they meet, and U+FFFD for each that stands alone."""
    match value:
        case str():
            return value if _is_whole(value) else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {whole(name): whole(inner) for name, inner in value.items()}
        case list():
            return [whole(inner) for inner in value]
        case _:
            return value


def _is_whole(text: str) -> bool:
    if text.isascii():  # known without a look at the text
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
