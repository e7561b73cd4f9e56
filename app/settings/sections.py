"""One frozen section per part: a part receives its own only."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

ROOT: Final = Path(__file__).parents[2]
_DAY_SECONDS: Final = 86_400
_DECADE_HOURS: Final = 87_600
_HALF_CENTURY_DAYS: Final = 18_250
SECONDS_PER_HOUR: Final = 3600


class Environment(StrEnum):
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
    TEST = "test"


def split_commas(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _under_root(path: Path) -> Path:
    return path if path.is_absolute() else ROOT / path


def _web_address(text: str) -> str:
    if text and not _is_web_address(text):
        raise ValueError("must begin with http:// or https:// and name a host")
    return text


def _is_web_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        return address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0 and not any(map(str.isspace, text))
    except ValueError:  # a port that is no number, say
        return False


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
RootedPath = Annotated[Path, AfterValidator(_under_root)]
# Each has an end well before a clock, an interval of Postgres' or a machine's memory has: what passes the start must not break later.
Seconds = Annotated[float, Field(gt=0, le=_DAY_SECONDS, allow_inf_nan=False)]
Hours = Annotated[float, Field(gt=0, le=_DECADE_HOURS, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=0, le=_HALF_CENTURY_DAYS)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]
Bytes = Annotated[int, Field(gt=0, le=100_000_000_000)]


class Section(BaseSettings):
    """A part's settings; keyword arguments are its defaults, which the environment and the file overrule."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings' names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, dotenv_settings, init_settings


class ServerSettings(Section):
    host: str = Field("127.0.0.1", validation_alias="HOST", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, validation_alias="PORT", description="Port to listen on")
    debug: bool = Field(False, validation_alias="DEBUG", description="Reload on change under `make dev`; refused in production")
    allowed_origins: CommaSeparated = Field(
        (),
        validation_alias="ALLOWED_ORIGINS",
        description="Web origins that may call the API from a browser, separated by commas; * for all",
    )
    public_url: WebAddress = Field(
        "", validation_alias="PUBLIC_URL", description="Where browsers find the server, https://chat.example.com say; empty is as they say"
    )
    body_limit_bytes: Bytes = Field(
        1_000_000, le=1_000_000_000, validation_alias="BODY_LIMIT_BYTES", description="Largest request body taken"
    )
    body_seconds: Seconds = Field(120, validation_alias="BODY_SECONDS", description="How long a request body may take to come")
    heartbeat_seconds: Seconds = Field(
        5, validation_alias="HEARTBEAT_SECONDS", description="Silence on a stream after which a comment line keeps proxies awake"
    )
    drain_seconds: Seconds = Field(
        10, validation_alias="DRAIN_SECONDS", description="How long a stopping server waits for what it is doing"
    )
    stop_notice_seconds: float = Field(
        3,
        ge=0,
        le=60,
        validation_alias="STOP_NOTICE_SECONDS",
        description="How long a server that stops at least says so, at /health/ready: longer than between two looks of the proxy before it",
    )

    legacy_paths: bool = Field(
        False,
        validation_alias="LEGACY_PATHS",
        description="Answer /chat, /history and the other unversioned paths of earlier servers; in staging true too",
    )

    @property
    def is_public_over_tls(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"


class RedisSettings(Section):
    # Secret, for it may hold a password.
    url: SecretStr = Field(
        SecretStr(""),
        validation_alias="REDIS_URL",
        description="redis:// address through which servers tell each other of new events, the same for all of them; empty is Postgres",
    )


class ModelSettings(Section):
    openai_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="OPENAI_API_KEY", description="Key for models whose models.yaml entry names no other variable"
    )
    openai_base_url: WebAddress = Field(
        "",
        validation_alias="OPENAI_BASE_URL",
        description="OpenAI-compatible server instead of OpenAI's own, for models whose entry names none; OpenAI's are then left out",
    )
    default_model: str = Field(
        "",
        validation_alias="DEFAULT_LLM_MODEL",
        description="Model of a message that names none: a models.yaml entry, provider:model or the server's id; empty is the first entry",
    )
    summary_model: str = Field(
        "",
        validation_alias="SUMMARY_MODEL",
        description="Model that sums up older turns, an entry of models.yaml, best a cheap one; empty is the one that answers",
    )
    models_file: RootedPath = Field(Path("models.yaml"), validation_alias="MODELS_FILE", description="Where models are named")
    allow_demo_model: bool = Field(
        False, validation_alias="ALLOW_DEMO_MODEL", description="Answer with the built-in demo model when no key is set"
    )
    client: Literal["lean", "stock"] = Field(
        "lean", validation_alias="LLM_CLIENT", description="lean, or stock for LangChain's own ChatOpenAI, which is slower"
    )
    show_reasoning: bool = Field(
        True, validation_alias="SHOW_REASONING", description="Show and keep what a model tells of its reasoning; false keeps it from users"
    )
    connect_seconds: Seconds = Field(
        10, validation_alias="LLM_CONNECT_SECONDS", description="How long a provider may take to accept a connection"
    )
    idle_seconds: Seconds = Field(
        60, validation_alias="LLM_IDLE_SECONDS", description="How long a provider may stay silent in the middle of an answer"
    )
    max_retries: int = Field(
        2, ge=0, le=10, validation_alias="LLM_MAX_RETRIES", description="Further tries of a call on one model, before another is asked"
    )
    fallback: bool = Field(True, validation_alias="LLM_FALLBACK", description="Ask the next model of models.yaml when one fails")
    call_seconds: Seconds = Field(180, validation_alias="LLM_CALL_SECONDS", description="How long one try of a model call may take")
    turn_seconds: Seconds = Field(
        270,
        validation_alias="LLM_TURN_SECONDS",
        description="How long all model calls for one message may take, with the waits between them; RUN_TIMEOUT_SECONDS at most",
    )
    breaker_failures: Count = Field(
        5, validation_alias="LLM_BREAKER_FAILURES", description="Failures of a model in a row after which others are asked instead"
    )
    breaker_seconds: Seconds = Field(
        30, validation_alias="LLM_BREAKER_SECONDS", description="How long others are asked before the model is tried again"
    )


class ContextSettings(Section):
    share: float = Field(
        0.5,
        allow_inf_nan=False,
        gt=0,
        le=0.9,
        validation_alias="CONTEXT_SHARE",
        description="Share of the model's context window that a conversation may fill before its older turns are summarised",
    )
    window: int = Field(
        32_000,
        ge=1_000,
        le=100_000_000,
        validation_alias="CONTEXT_WINDOW",
        description="Context window, in tokens, of models for which models.yaml names none",
    )
    messages: int = Field(
        100,
        ge=4,
        le=100_000,
        validation_alias="CONTEXT_MESSAGES",
        description="Messages, those of tools among them, that a conversation may have before its older turns are summarised",
    )
    summary_seconds: Seconds = Field(
        30, validation_alias="SUMMARY_SECONDS", description="How long a summary may take; the answer goes on without it if it takes longer"
    )
    checkpoints_kept: Count = Field(
        20,
        validation_alias="CHECKPOINTS_KEPT",
        description="Latest checkpoints and turns kept of a session; a turn before them cannot be edited or answered again",
    )


class CacheSettings(Section):
    is_on: bool = Field(
        False,
        validation_alias="RESPONSE_CACHE",
        description="Keep answers, and give one again to its user when a request allows it; with REDIS_URL in Redis, else in the process",
    )
    seconds: Count = Field(3600, validation_alias="RESPONSE_CACHE_SECONDS", description="How long an answer is kept")
    entries: Count = Field(1000, validation_alias="RESPONSE_CACHE_ENTRIES", description="Most answers that a process keeps in its memory")
    most_bytes: Bytes = Field(50_000_000, validation_alias="RESPONSE_CACHE_BYTES", description="Most memory that these answers may take")


class RunSettings(Section):
    max_live_runs: Count = Field(
        200, validation_alias="MAX_LIVE_RUNS", description="Runs this process works on at once; one more is told to come back"
    )
    timeout_seconds: Seconds = Field(300, validation_alias="RUN_TIMEOUT_SECONDS", description="Longest time one message may take")
    max_steps: Count = Field(25, le=1_000, validation_alias="RUN_MAX_STEPS", description="Most graph steps one message may take")
    max_attempts: Count = Field(
        3, le=100, validation_alias="RUN_MAX_ATTEMPTS", description="Tries at a run whose process died before it counts as failed"
    )
    event_flush_ms: Count = Field(
        100, le=10_000, validation_alias="EVENT_FLUSH_MS", description="Pause between two writes of the event log, in milliseconds"
    )
    event_hours: Hours = Field(
        72, validation_alias="EVENT_RETENTION_HOURS", description="How long the event log of an ended run can be replayed"
    )
    lease_seconds: Seconds = Field(
        15, validation_alias="LEASE_SECONDS", description="Silence of a process after which its runs count as lost"
    )

    question_hours: Hours = Field(
        24, validation_alias="QUESTION_EXPIRY_HOURS", description="How long the agent waits for a person's answer before it goes on without"
    )
    temporary_hours: float = Field(
        24,
        gt=0,
        le=8760,
        allow_inf_nan=False,
        validation_alias="TEMPORARY_SESSION_HOURS",
        description="How long a temporary session is kept when nothing more is said in it; a worker then deletes all there is of it",
    )


class WorkerSettings(Section):
    in_server: bool = Field(
        False, validation_alias="WORKER_IN_SERVER", description="Do background work in the server too, without a `python -m app worker`"
    )
    concurrency: Count = Field(10, le=1_000, validation_alias="WORKER_CONCURRENCY", description="Jobs a worker does at once")
    naming_seconds: Seconds = Field(
        10, validation_alias="NAMING_SECONDS", description="How long a model may take to name a session; its first words stay if it cannot"
    )


class ToolSettings(Section):
    timeout_seconds: Seconds = Field(
        20, validation_alias="TOOL_TIMEOUT_SECONDS", description="How long a tool may take before the model is told it failed"
    )
    concurrency: Count = Field(
        50,
        validation_alias="TOOL_CONCURRENCY",
        description="Calls of tools that a process makes at once; others wait in their own time",
    )
    result_characters: Count = Field(
        20_000,
        validation_alias="TOOL_RESULT_CHARACTERS",
        description="Longest result of a tool that a model is given; people see all of it",
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="LOG_LEVEL", description="Least severe event that is written: debug, info, warning or error"
    )
    format: Literal["json", "console"] = Field("json", validation_alias="LOG_FORMAT", description="json or console")
    text: bool = Field(
        False, validation_alias="LOG_TEXT", description="Have what was said in the line that ends a run; false has no word of a user"
    )
