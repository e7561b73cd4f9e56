"""Embedders: what makes a text comparable with others by its meaning, and which one is used here."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import SecretStr

from app.errors import SettingsInvalid
from app.llm.catalog import OPENAI, is_openai
from app.llm.words_embedder import WordsEmbedder
from app.settings import MemorySettings, ModelSettings

_OPENAIS_MODEL: Final = "text-embedding-3-small"
_KNOWN_DIMENSIONS: Final[Mapping[str, int]] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_WORDS: Final = "words"
# Shared words say how near a text is, not whether it is near enough: the best are taken, however near.
_WORDS_THRESHOLD: Final = -1.0
# Where OpenAI's models put texts that have nothing to do with each other, or a little above.
_THRESHOLD: Final = 0.2


class Embedder(Protocol):
    """Vectors of two embedders, or of one that has changed its name, cannot be compared with each other."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector of `dimensions` numbers for each text, in their order; raise ModelError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderChoice:
    """Which embedder the settings ask for; without a `model` it is the built-in one."""

    model: str = ""
    base_url: str = ""
    key: SecretStr | None = None
    dimensions: int = 0
    own_dimensions: bool = False

    @property
    def name(self) -> str:
        """The embedder's: another length makes other vectors."""
        return f"{self.model}/{self.dimensions}" if self.model else WordsEmbedder.name


def choose_embedder(settings: MemorySettings, models: ModelSettings) -> EmbedderChoice:
    """Take OpenAI's when its key is set, and the built-in one where nothing is; raise SettingsInvalid for half of a choice."""
    base_url = settings.embedding_base_url or models.openai_base_url or OPENAI
    key = _key(settings, models, base_url)
    model = settings.embedding_model
    if not model and not settings.embedding_base_url and is_openai(base_url) and key.get_secret_value():
        model = _OPENAIS_MODEL
    if model == _WORDS and (settings.embedding_base_url or settings.embedding_dimensions):
        raise SettingsInvalid("EMBEDDING_MODEL: words is built in; EMBEDDING_BASE_URL and EMBEDDING_DIMENSIONS are for other models.")
    if model == _WORDS or not (model or settings.embedding_base_url):
        return EmbedderChoice()
    if not model:
        raise SettingsInvalid("EMBEDDING_MODEL: must name a model of the server at EMBEDDING_BASE_URL.")
    if is_openai(base_url) and not key.get_secret_value():
        raise SettingsInvalid(f"EMBEDDING_API_KEY: is needed to ask OpenAI for {model}.")
    dimensions = settings.embedding_dimensions or _KNOWN_DIMENSIONS.get(model, 0)
    if not dimensions:
        raise SettingsInvalid(f"EMBEDDING_DIMENSIONS: must say how long the vectors of {model} are.")
    asks = dimensions != _KNOWN_DIMENSIONS.get(model, dimensions)
    return EmbedderChoice(model=model, base_url=base_url, key=key, dimensions=dimensions, own_dimensions=asks)


def threshold(settings: MemorySettings, choice: EmbedderChoice) -> float:
    """How near a memory must be to be recalled, as a cosine; each embedder has its own idea of near."""
    if settings.threshold is not None:
        return settings.threshold
    return _THRESHOLD if choice.model else _WORDS_THRESHOLD


def other_embedder(name: str, in_use: str) -> SettingsInvalid:
    """Why a server does not start when the vectors that are kept are those of the embedder `in_use`."""
    return SettingsInvalid(
        f"EMBEDDING_MODEL: the memories in the database have vectors of {in_use}, which {name} cannot be compared with; "
        "set it back, or run `python -m app reembed-memories` with the new settings."
    )


@asynccontextmanager
async def open_embedder(choice: EmbedderChoice, seconds: float) -> AsyncGenerator[Embedder]:
    """Its connections are closed when we leave; an answer may take so many seconds."""
    if not choice.model:
        yield WordsEmbedder()
        return
    # What a server without a key need not wait for.
    from app.llm.remote_embedder import open_remote_embedder  # noqa: PLC0415

    async with open_remote_embedder(choice, seconds) as embedder:
        yield embedder


def _key(settings: MemorySettings, models: ModelSettings, base_url: str) -> SecretStr:
    """OpenAI's key is shown to the server it belongs to, and to no other."""
    its_place = models.openai_base_url or OPENAI
    return settings.embedding_api_key if settings.embedding_api_key.get_secret_value() or base_url != its_place else models.openai_api_key
