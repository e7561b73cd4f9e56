"""The models a message may name."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import CurrentTier, ModelsDep
from app.llm.breaker import BreakerState
from app.llm.models import Model, Models
from app.runs.quotas import model_for
from app.settings import Tier

router = APIRouter()


class ModelOut(BaseModel):
    """Prices are US dollars per million tokens, for a prompt of common length; None where they are not known.

    Where it is not `allowed`, one's tier may not use it. A model whose `state` is not `closed` has failed of late, and others are asked
    in its stead. `shows_reasoning` is None where only its answers will tell.
    """

    name: str
    provider: str
    api: str
    model: str
    context_window: int | None
    is_default: bool
    is_demo: bool
    allowed: bool
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
async def list_models(tier: CurrentTier, models: ModelsDep) -> ModelList:
    """All of them; `default` answers a message that names none."""
    default = model_for(models, tier, None, None).spec.name if any(tier.may_ask(spec.name) for spec in models) else models.choice.default
    return ModelList(items=[_model(models.get(spec.name), models, tier, default) for spec in models], default=default)


def _model(model: Model, models: Models, tier: Tier, default: str) -> ModelOut:
    spec = model.spec
    return ModelOut(
        name=spec.name,
        provider=spec.provider,
        api=spec.api,
        model=spec.id_at_provider,
        context_window=spec.context_window,
        is_default=spec.name == default,
        is_demo=spec.provider == "demo",
        allowed=tier.may_ask(spec.name),
        state=models.state(spec.name),
        shows_reasoning=spec.tells_reasoning if models.choice.shows_reasoning else False,
        takes_images=bool(spec.images),
        input_price=model.price and model.price.input,
        cached_input_price=model.price and model.price.cached_input,
        output_price=model.price and model.price.output,
    )
