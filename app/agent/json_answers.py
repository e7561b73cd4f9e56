"""Answers of a model that were asked for as JSON."""

import json

from pydantic import BaseModel, ValidationError

from app.errors import ModelBadAnswer
from app.llm.characters import whole


def read_answer[A: BaseModel](kind: type[A], answer: str) -> A:
    """Models put their JSON between fences and words, whatever they are told. Raise ModelBadAnswer."""
    try:
        return kind.model_validate(whole(json.loads(answer[answer.index("{") : answer.rindex("}") + 1], strict=False)))
    except (ValueError, ValidationError, RecursionError) as error:
        raise ModelBadAnswer("The model's answer is not the JSON it was asked for.") from error
