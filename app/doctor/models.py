"""The models that can be asked here, and what compares texts: whether their servers answer, take our key, and have them."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from app.doctor.findings import Check, Finding, failed, ok, skipped, warning
from app.errors import ModelAuthFailed, ModelError, ModelForbidden, SettingsInvalid
from app.llm.catalog import OPENAI, ModelSpec, read_catalog
from app.llm.choice import Choice, choose_models
from app.llm.embedding import choose_embedder
from app.llm.listing import listed_models
from app.settings import Environment, Settings

_AT_HOME: Final = (Environment.DEVELOPMENT, Environment.TEST)
_KEY: Final = "Set a key that is still good: {}."
AWAY: Final = "Look at the provider's status page, and at what lies between: its address, a proxy, a firewall."


def model_checks(settings: Settings) -> Mapping[str, Check]:
    """One for what can be asked at all, one for each model of it, and one for the embedder."""
    checks: dict[str, Check] = {"models": partial(_check_choice, settings)}
    try:
        choice = choose_models(settings.models, settings.model_keys)
    except SettingsInvalid:  # which `models` tells
        choice = Choice(specs=(), default="")
    checks |= {f"model {spec.name}": partial(_check_model, spec, settings) for spec in choice.specs}
    return {**checks, "embedder": partial(_check_embedder, settings)}


async def _check_choice(settings: Settings) -> Finding:
    try:
        choice = choose_models(settings.models, settings.model_keys)
    except SettingsInvalid as error:
        return failed(error.detail, "No server starts like this: set the key or the variable that is named.")
    if choice.is_demo:
        found = "the built-in demo model answers, which needs no key"
        return ok(found) if settings.environment in _AT_HOME else warning(found, "Set a provider's key, OPENAI_API_KEY say.")
    left_out = {spec.name for spec in read_catalog(settings.models.models_file)} - {spec.name for spec in choice.specs}
    missing = f"; without a key here: {', '.join(sorted(left_out))}" if left_out else ""
    return ok(f"{len(choice.specs)} can be asked, {choice.default} by default{missing}")


async def _check_model(spec: ModelSpec, settings: Settings) -> Finding:
    if spec.provider == "demo":
        return ok("built in")
    if spec.provider != "openai":
        return skipped(f"Of {spec.provider} nothing can be asked that is the same everywhere and costs nothing; its key is set")
    key = settings.model_keys.get(spec.key_name)
    base_url = spec.base_url or settings.models.openai_base_url or OPENAI
    return await _listed(base_url, key.get_secret_value() if key else "", spec.id_at_provider, spec.key_name or "key_variable")


async def _check_embedder(settings: Settings) -> Finding:
    if not settings.memory.is_on:
        return skipped("MEMORY_ENABLED is false")
    choice = choose_embedder(settings.memory, settings.models)
    if not choice.model:
        return ok("words, built in")
    return await _listed(choice.base_url, choice.key.get_secret_value() if choice.key else "", choice.model, "EMBEDDING_API_KEY")


async def _listed(base_url: str, key: str, model: str, key_name: str) -> Finding:
    try:
        models = await listed_models(base_url, key)
    except (ModelAuthFailed, ModelForbidden) as error:
        return failed(error.detail, _KEY.format(key_name))
    except ModelError as error:
        return failed(error.detail, AWAY)
    if models is None:
        return warning("The server answers, and has no list of models to ask for", "Send a message: only that tells whether it works.")
    if model not in models:
        return warning(
            f"The server answers and lists {len(models)} models, {model} not among them", "Compare its id with the provider's list."
        )
    return ok("its server answers, and lists it")
