"""A judge at the stub of the provider: what it says is scripted."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.llm.models import Model, open_models
from app.settings import ModelSettings
from evals.asking import Judging
from tests.stub.answers import Text
from tests.stub.client import ProviderStub


@asynccontextmanager
async def open_judging(provider: ProviderStub, folder: Path) -> AsyncGenerator[Judging]:
    async with open_judge_model(provider, folder) as model:
        yield Judging(model=model, longest_wait_seconds=0)


@asynccontextmanager
async def open_judge_model(provider: ProviderStub, folder: Path) -> AsyncGenerator[Model]:
    file = folder / "models.yaml"
    file.write_text(json.dumps({"models": [{"name": "judge", "base_url": provider.url, "prices": {"input": 1, "output": 2}}]}))
    settings = ModelSettings.model_validate({"MODELS_FILE": file, "DEFAULT_LLM_MODEL": "judge", "LLM_IDLE_SECONDS": 5})
    async with open_models(settings, {"OPENAI_API_KEY": SecretStr("sk-test")}) as models:
        yield models.get(None)


def verdict(score: Any, reasoning: str = "It is what it is.", times: int = 1) -> Text:
    return Text(json.dumps({"reasoning": reasoning, "score": score}), times=times)
