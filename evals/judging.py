"""Open the model that judges, by its name in models.yaml."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.llm.models import Model, open_models
from app.settings import Settings


@asynccontextmanager
async def open_judge(settings: Settings, name: str | None) -> AsyncGenerator[Model]:
    """None is the default model; raise SettingsInvalid and UnknownModel."""
    async with open_models(settings.models, settings.model_keys) as models:
        yield models.get(name)
