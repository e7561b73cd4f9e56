"""What a server remembers of its users, and what compares texts for it."""

from pydantic import Field, SecretStr

from app.settings.sections import Count, Seconds, Section, WebAddress


class MemorySettings(Section):
    is_on: bool = Field(
        True, validation_alias="MEMORY_ENABLED", description="Recall facts about a user, and remember new ones, across sessions"
    )
    embedding_model: str = Field(
        "",
        validation_alias="EMBEDDING_MODEL",
        description="What compares texts: words is built in, else a model's id; empty is OpenAI's with OpenAI's key, and words without",
    )
    embedding_base_url: WebAddress = Field(
        "", validation_alias="EMBEDDING_BASE_URL", description="OpenAI-compatible server of EMBEDDING_MODEL; empty is OPENAI_BASE_URL"
    )
    embedding_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="EMBEDDING_API_KEY",
        description="Key for EMBEDDING_MODEL; empty is OPENAI_API_KEY, where the server is the one that key is for",
    )
    embedding_dimensions: int = Field(
        0, ge=0, le=16_000, validation_alias="EMBEDDING_DIMENSIONS", description="Length of its vectors; 0 where the model is OpenAI's"
    )
    embedding_seconds: Seconds = Field(
        10, validation_alias="EMBEDDING_SECONDS", description="How long an embedding may take in background work, which tries again"
    )
    top_k: Count = Field(5, le=100, validation_alias="MEMORY_TOP_K", description="Most memories that a message brings to mind")
    threshold: float | None = Field(
        None,
        ge=-1,
        allow_inf_nan=False,
        le=1,
        validation_alias="MEMORY_THRESHOLD",
        description="Least likeness, as a cosine, of a memory that is recalled; empty is what suits the embedder",
    )
    recall_ms: Count = Field(
        300,
        le=60_000,
        validation_alias="MEMORY_RECALL_MS",
        description="How long recall may take, in milliseconds, before a turn goes on without it",
    )


class RememberingSettings(Section):
    model: str = Field(
        "",
        validation_alias="MEMORY_MODEL",
        description="Model that reads conversations for facts, an entry of models.yaml, best a cheap one; empty is SUMMARY_MODEL's",
    )
    delay_seconds: Seconds = Field(
        60,
        validation_alias="MEMORY_DELAY_SECONDS",
        description="Silence in a session after which it is read for facts; one that is never silent is after ten times as long",
    )
    infer: bool = Field(
        True,
        validation_alias="MEMORY_INFER",
        description="Have a model find the facts; false keeps plain statements word for word",
    )
