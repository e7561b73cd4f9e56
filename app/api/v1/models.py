"""The models a message may name."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import CurrentUser, ModelsDep
from app.llm.models import Model

router = APIRouter()


class ModelOut(BaseModel):
    """Prices are US dollars per million tokens, for a prompt of common length; None where they are not known."""

    name: str
    provider: str
    model: str
    context_window: int | None
    is_default: bool
    is_demo: bool
    input_price: float | None
    output_price: float | None


class ModelList(BaseModel):
    items: list[ModelOut]
    default: str


@router.get("")
async def list_models(user: CurrentUser, models: ModelsDep) -> ModelList:  # noqa: ARG001  # asked for so that only users see it
    return ModelList(items=[_model(models.get(spec.name), models.choice.default) for spec in models], default=models.choice.default)


def _model(model: Model, default: str) -> ModelOut:
    spec = model.spec
    return ModelOut(
        name=spec.name,
        provider=spec.provider,
        model=spec.id_at_provider,
        context_window=spec.context_window,
        is_default=spec.name == default,
        is_demo=spec.provider == "demo",
        input_price=model.price and model.price.input,
        output_price=model.price and model.price.output,
    )
