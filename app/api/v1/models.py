"""The models a message may name."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import CurrentUser, ModelsDep
from app.llm.breaker import BreakerState
from app.llm.models import Model, Models

router = APIRouter()


class ModelOut(BaseModel):
    """Prices are US dollars per million tokens, for a prompt of common length; None where they are not known.

    A model whose `state` is not `closed` has failed of late, and others are asked in its stead. `shows_reasoning` is None where only its
    answers will tell.
    """

    name: str
    provider: str
    api: str
    model: str
    context_window: int | None
    is_default: bool
    is_demo: bool
    state: BreakerState
    shows_reasoning: bool | None
    takes_images: bool
    input_price: float | None
    cached_input_price: float | None
    output_price: float | None


class ModelList(BaseModel):
    items: list[ModelOut]
    default: str


@router.get("")
async def list_models(user: CurrentUser, models: ModelsDep) -> ModelList:  # noqa: ARG001  # asked for so that only users see it
    return ModelList(items=[_model(models.get(spec.name), models) for spec in models], default=models.choice.default)


def _model(model: Model, models: Models) -> ModelOut:
    spec = model.spec
    return ModelOut(
        name=spec.name,
        provider=spec.provider,
        api=spec.api,
        model=spec.id_at_provider,
        context_window=spec.context_window,
        is_default=spec.name == models.choice.default,
        is_demo=spec.provider == "demo",
        state=models.state(spec.name),
        shows_reasoning=spec.tells_reasoning if models.choice.shows_reasoning else False,
        takes_images=bool(spec.images),
        input_price=model.price and model.price.input,
        cached_input_price=model.price and model.price.cached_input,
        output_price=model.price and model.price.output,
    )
