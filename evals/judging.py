"""Open the model that judges, by its name in models.yaml."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.errors import UnknownModel
from app.llm.models import Model, open_models
from app.settings import Settings
from evals.errors import Misused


@asynccontextmanager
async def open_judge(settings: Settings, name: str | None) -> AsyncGenerator[Model]:
    """None is the default model; raise SettingsInvalid, and Misused for a name that is none."""
    async with open_models(settings.models, settings.model_keys) as models:
        try:
            model = models.get(name)
        except UnknownModel as error:
            raise Misused(error.detail) from error
        yield model
