"""What ChatOpenAI is told of an entry's reasoning and of OpenAI's Responses API."""

from typing import Any

from app.llm.catalog import ModelSpec


def openai_options(spec: ModelSpec) -> dict[str, Any]:
    """Parameters of ChatOpenAI, `use_responses_api` among them."""
    effort = spec.reasoning and spec.reasoning.effort
    if not spec.responses_api:
        # Without this, some models' names alone would switch the API.
        return {"use_responses_api": False, **({"reasoning_effort": effort} if effort else {})}
    # What OpenAI keeps is gone after 30 days, and sessions go on: so it keeps nothing, and its thoughts come sealed and are sent back.
    options: dict[str, Any] = {"use_responses_api": True, "output_version": "responses/v1", "store": False}
    if spec.reasoning:
        options["reasoning"] = spec.reasoning.model_dump(exclude_none=True)
        options["include"] = ["reasoning.encrypted_content"]
    return options
