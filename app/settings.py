"""What can be configured: one frozen section per part, read once from the environment and one file.

The first of `.env.<environment>.local`, `.env.<environment>`, `.env.local` and `.env` that exists is read; the real environment
wins over it. A part receives its own section only. `.env.example` lists every variable, and a test keeps it so.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import SettingsInvalid

ROOT: Final = Path(__file__).parent.parent
MIN_SECRET_BYTES: Final = 32

# Parts of values that stand in examples and tutorials; production must not run on one of them.
_EXAMPLE_SECRETS: Final = (
    "change-me",
    "changeme",
    "change_me",
    "replace-me",
    "your-secret",
    "your_secret",
    "your-super",
    "example",
    "secret-key",
)


class Environment(StrEnum):
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
    TEST = "test"


_ALIASES: Final = {"dev": "development", "stage": "staging", "prod": "production"}
_KEY_SUFFIX: Final = "_API_KEY"
_AT_HOME: Final = {"DEBUG": "true", "LOG_FORMAT": "console", "MIGRATE_ON_START": "true", "ALLOW_DEMO_MODEL": "true"}

# What an unset variable is in these environments; elsewhere the fields' own defaults hold, which are production's.
_DEFAULTS: Final[Mapping[Environment, Mapping[str, str]]] = {
    Environment.DEVELOPMENT: {**_AT_HOME, "MAX_LIVE_RUNS": "1000", "DRAIN_SECONDS": "2", "ACCESS_TOKEN_MINUTES": "10080"},
    Environment.TEST: _AT_HOME,
}


def _split_commas(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _under_root(path: Path) -> Path:
    return path if path.is_absolute() else ROOT / path


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
RootedPath = Annotated[Path, AfterValidator(_under_root)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class _Section(BaseSettings):
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


class ServerSettings(_Section):
    host: str = Field("127.0.0.1", validation_alias="HOST", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, validation_alias="PORT", description="Port to listen on")
    debug: bool = Field(False, validation_alias="DEBUG", description="Reload on change under `make dev`; refused in production")
    allowed_origins: CommaSeparated = Field(
        (),
        validation_alias="ALLOWED_ORIGINS",
        description="Web origins that may call the API from a browser, separated by commas; * for all",
    )
    body_limit_bytes: Count = Field(1_000_000, validation_alias="BODY_LIMIT_BYTES", description="Largest request body taken")
    heartbeat_seconds: Seconds = Field(
        5, validation_alias="HEARTBEAT_SECONDS", description="Silence on a stream after which a comment line keeps proxies awake"
    )
    drain_seconds: Seconds = Field(
        10, validation_alias="DRAIN_SECONDS", description="How long a stopping server waits for what it is doing"
    )


class DatabaseSettings(_Section):
    url: str = Field("", validation_alias="DATABASE_URL", description="postgresql:// address; empty starts the embedded Postgres")
    data_dir: RootedPath = Field(
        Path(".data"), validation_alias="DATA_DIR", description="Folder of the embedded database and of files the server writes"
    )
    pool_size: Count = Field(20, validation_alias="DATABASE_POOL_SIZE", description="Most connections a process opens")
    connect_seconds: Seconds = Field(
        5, validation_alias="DATABASE_CONNECT_SECONDS", description="How long a request waits for a connection"
    )
    migrate_on_start: bool = Field(
        False, validation_alias="MIGRATE_ON_START", description="Bring the schema up to date when the server starts; refused in production"
    )


class AccountSettings(_Section):
    jwt_secret_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="JWT_SECRET_KEY",
        description="Signs access tokens, 32 bytes or more; empty in development makes one under DATA_DIR",
    )
    access_token_minutes: Count = Field(60, validation_alias="ACCESS_TOKEN_MINUTES", description="How long an access token is good")
    parallel_hashes: Count = Field(
        2, validation_alias="PARALLEL_HASHES", description="Password hashes computed at once; each takes a thread and 64 MB"
    )


class ModelSettings(_Section):
    openai_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="OPENAI_API_KEY", description="Key for models whose models.yaml entry names no other variable"
    )
    openai_base_url: str = Field(
        "",
        validation_alias="OPENAI_BASE_URL",
        description="OpenAI-compatible server for models whose entry names none; empty is OpenAI's own",
    )
    default_model: str = Field(
        "",
        validation_alias="DEFAULT_LLM_MODEL",
        description="Model of a message that names none: an entry of models.yaml or any model id of that server; empty is the first entry",
    )
    models_file: RootedPath = Field(Path("models.yaml"), validation_alias="MODELS_FILE", description="Where models are named")
    allow_demo_model: bool = Field(
        False, validation_alias="ALLOW_DEMO_MODEL", description="Answer with the built-in demo model when no key is set"
    )
    connect_seconds: Seconds = Field(
        10, validation_alias="LLM_CONNECT_SECONDS", description="How long a provider may take to accept a connection"
    )
    idle_seconds: Seconds = Field(
        60, validation_alias="LLM_IDLE_SECONDS", description="How long a provider may stay silent in the middle of an answer"
    )
    max_retries: int = Field(
        2, ge=0, le=10, validation_alias="LLM_MAX_RETRIES", description="Further tries of a model call that failed before it answered"
    )


class RunSettings(_Section):
    max_live_runs: Count = Field(
        200, validation_alias="MAX_LIVE_RUNS", description="Runs this process works on at once; one more is told to come back"
    )
    timeout_seconds: Seconds = Field(300, validation_alias="RUN_TIMEOUT_SECONDS", description="Longest time one message may take")
    max_steps: Count = Field(25, validation_alias="RUN_MAX_STEPS", description="Most graph steps one message may take")
    max_attempts: Count = Field(
        3, validation_alias="RUN_MAX_ATTEMPTS", description="Tries at a run whose process died before it counts as failed"
    )
    event_flush_ms: Count = Field(
        100, validation_alias="EVENT_FLUSH_MS", description="Pause between two writes of the event log, in milliseconds"
    )
    event_hours: Seconds = Field(
        72, validation_alias="EVENT_RETENTION_HOURS", description="How long the event log of an ended run can be replayed"
    )
    lease_seconds: Seconds = Field(
        15, validation_alias="LEASE_SECONDS", description="Silence of a process after which its runs count as lost"
    )


class ToolSettings(_Section):
    timeout_seconds: Seconds = Field(
        20, validation_alias="TOOL_TIMEOUT_SECONDS", description="How long a tool may take before the model is told it failed"
    )
    search_results: int = Field(
        5, ge=1, le=20, validation_alias="WEB_SEARCH_RESULTS", description="Most results a web search hands the model"
    )
    search_seconds: Seconds = Field(8, validation_alias="WEB_SEARCH_SECONDS", description="How long a web search may take")


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="LOG_LEVEL", description="Least severe event that is written: debug, info, warning or error"
    )
    format: Literal["json", "console"] = Field("json", validation_alias="LOG_FORMAT", description="json or console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them, checked; raise SettingsInvalid through `load_settings`."""

    environment: Environment
    server: ServerSettings
    database: DatabaseSettings
    accounts: AccountSettings
    models: ModelSettings
    runs: RunSettings
    tools: ToolSettings
    logs: LogSettings
    model_keys: Mapping[str, SecretStr]


SECTIONS: Final[Mapping[str, type[_Section]]] = {
    field.name: field.type for field in fields(Settings) if isinstance(field.type, type) and issubclass(field.type, _Section)
}


def load_settings(folder: Path = ROOT) -> Settings:
    """Read the environment and the first settings file in `folder`; raise SettingsInvalid naming every variable at fault."""
    environment = _environment(folder)
    file = _settings_file(folder, environment)
    problems = [*_unknown_variables(file)]
    sections: dict[str, _Section] = {}
    for name, section in SECTIONS.items():
        try:
            sections[name] = section(**{"_env_file": file, **_DEFAULTS.get(environment, {})})  # type: ignore[arg-type]  # pydantic-settings' own
        except ValidationError as error:
            problems += _sentences(error)
    if problems:
        raise SettingsInvalid("\n".join(problems))
    settings = Settings(environment=environment, model_keys=_model_keys(file), **sections)  # type: ignore[arg-type]  # each name has the type of its section
    if weaknesses := [*_weaknesses(settings)]:
        raise SettingsInvalid("\n".join(weaknesses))
    return settings


def variables() -> Iterator[tuple[str, str, str]]:
    """Name, default as written in a file, and description of every variable, for `.env.example` and the docs."""
    yield "APP_ENV", Environment.DEVELOPMENT.value, "development, staging, production or test (dev, stage and prod will do)"
    for section in SECTIONS.values():
        for field in section.model_fields.values():
            yield str(field.validation_alias), _written(field.default), field.description or ""


def _written(value: object) -> str:
    match value:
        case SecretStr():
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def _environment(folder: Path) -> Environment:
    named = os.environ.get("APP_ENV") or _first_named(folder) or Environment.DEVELOPMENT
    try:
        return Environment(_ALIASES.get(named.lower(), named.lower()))
    except ValueError as error:
        raise SettingsInvalid(f"APP_ENV: must be one of {', '.join(Environment)}.") from error


def _first_named(folder: Path) -> str | None:
    """The environment that a general file names, for those who set everything in one file."""
    found = (folder / name for name in (".env.local", ".env"))
    return next((named for file in found if file.is_file() and (named := dotenv_values(file).get("APP_ENV"))), None)


def _settings_file(folder: Path, environment: Environment) -> Path | None:
    names = (f".env.{environment}.local", f".env.{environment}", ".env.local", ".env")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _model_keys(file: Path | None) -> Mapping[str, SecretStr]:
    """Every provider's key that is set, by its variable: models.yaml says which model needs which."""
    values = {**(dotenv_values(file) if file else {}), **os.environ}
    return {name: SecretStr(value) for name, value in values.items() if name.endswith(_KEY_SUFFIX) and value}


def _unknown_variables(file: Path | None) -> Iterator[str]:
    known = {name for name, _, _ in variables()}
    for name in dotenv_values(file) if file else ():
        if name.upper() not in known and not name.endswith(_KEY_SUFFIX):
            yield f"{name}: is in {file and file.name}, but there is no such setting."


def _sentences(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        yield f"{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}."


def _weaknesses(settings: Settings) -> Iterator[str]:
    """What is bearable at a desk and not in production."""
    if settings.environment not in {Environment.PRODUCTION, Environment.STAGING}:
        return
    secret = settings.accounts.jwt_secret_key.get_secret_value()
    if len(secret.encode()) < MIN_SECRET_BYTES:
        yield f"JWT_SECRET_KEY: must be set to at least {MIN_SECRET_BYTES} random bytes in {settings.environment}."
    elif any(example in secret.lower() for example in _EXAMPLE_SECRETS) or len(set(secret)) < MIN_SECRET_BYTES // 4:
        yield f"JWT_SECRET_KEY: is a known example value; set it to at least {MIN_SECRET_BYTES} random bytes."
    if settings.environment is Environment.PRODUCTION and settings.server.debug:
        yield "DEBUG: must be false in production."
    if settings.environment is Environment.PRODUCTION and settings.database.migrate_on_start:
        yield "MIGRATE_ON_START: must be false in production; run `python -m app migrate up` before the server."
