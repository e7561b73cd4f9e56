"""Read the settings: the environment first, then one file, then what suits the environment."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from app.errors import SettingsInvalid
from app.settings.accounts import AccountSettings, MailSettings
from app.settings.database import DatabaseSettings
from app.settings.evals import EvalsSettings
from app.settings.faults import in_words
from app.settings.hooks import HookSettings
from app.settings.kept import AttachmentSettings, RetentionSettings
from app.settings.limits import LimitSettings
from app.settings.mcp import McpSettings
from app.settings.memory import MemorySettings, RememberingSettings
from app.settings.metrics import MetricsSettings
from app.settings.oidc import OidcSettings
from app.settings.secrets import MIN_SECRET_BYTES, weakness_of
from app.settings.sections import (
    ROOT,
    CacheSettings,
    ContextSettings,
    Environment,
    LogSettings,
    ModelSettings,
    RedisSettings,
    RunSettings,
    Section,
    ServerSettings,
    ToolSettings,
    WorkerSettings,
)
from app.settings.tiers import read_tiers
from app.settings.tracing import TracingSettings
from app.settings.web import WebSettings
from app.settings.webhooks import WebhookSettings

# The least that OWASP's password storage cheat sheet gives argon2id, 19 MiB; ours makes three passes where it has two.
_LEAST_HASH_KIB: Final = 19_456
_ALIASES: Final = {"dev": "development", "stage": "staging", "prod": "production"}
_KEY_SUFFIX: Final = "_API_KEY"
_MCP_PREFIX: Final = "MCP_"
# What docker-compose.yml reads from the same .env, and no setting of ours.
OF_COMPOSE: Final = frozenset(
    {
        "ALERT_PAGE_URL",
        "ALERT_TICKET_URL",
        "ALERT_WATCHDOG_URL",
        "APP_PUBLISH",
        "APP_REPLICAS",
        "COMPOSE_PROFILES",
        "EXTRAS",
        "GRAFANA_PASSWORD",
        "GRAFANA_URL",
        "LANGFUSE_AUTH_SECRET",
        "LANGFUSE_ENCRYPTION_KEY",
        "LANGFUSE_SALT",
        "LANGFUSE_STORES_PASSWORD",
        "MILEPOST_TAG",
        "POSTGRES_PASSWORD",
        "VALKEY_PASSWORD",
        "WORKER_REPLICAS",
    }
)
_PROCESSES: Final = ("WORKERS", "WEB_CONCURRENCY")
_ONE_PROCESS: Final = (
    "must be 1 or not set: each process counts for itself, and a scrape would be answered by any of them. Run one to a container, and more"
    " containers."
)
_GENEROUS: Final = "100000 per minute"
_LEGACY: Final = {"LEGACY_PATHS": "true"}
_AT_HOME: Final = {
    **dict.fromkeys(("DEBUG", "MIGRATE_ON_START", "ALLOW_DEMO_MODEL"), "true"),
    "LOG_FORMAT": "console",
    "STOP_NOTICE_SECONDS": "0",
    **_LEGACY,
    "TIERS_FILE": "tiers.development.yaml",
    **dict.fromkeys((f"RATE_LIMIT_{group}" for group in ("DEFAULT", "LOGIN", "CHAT", "STREAM", "READ", "WRITE", "PAGE")), _GENEROUS),
}

# What an unset variable is in these environments; elsewhere the fields' own defaults hold, which are production's.
_DEFAULTS: Final[Mapping[Environment, Mapping[str, str]]] = {
    Environment.DEVELOPMENT: {
        **_AT_HOME,
        "MAX_LIVE_RUNS": "1000",
        "WORKER_IN_SERVER": "true",
        "DRAIN_SECONDS": "2",
        "ACCESS_TOKEN_MINUTES": "10080",
    },
    Environment.STAGING: _LEGACY,
    Environment.TEST: _AT_HOME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them, checked; raise SettingsInvalid through `load_settings`."""

    environment: Environment
    server: ServerSettings
    database: DatabaseSettings
    redis: RedisSettings
    accounts: AccountSettings
    mail: MailSettings
    oidc: OidcSettings
    limits: LimitSettings
    attachments: AttachmentSettings
    models: ModelSettings
    context: ContextSettings
    cache: CacheSettings
    memory: MemorySettings
    runs: RunSettings
    tools: ToolSettings
    web: WebSettings
    webhooks: WebhookSettings
    hooks: HookSettings
    mcp: McpSettings
    retention: RetentionSettings
    worker: WorkerSettings
    remembering: RememberingSettings
    tracing: TracingSettings
    evals: EvalsSettings
    logs: LogSettings
    metrics: MetricsSettings
    model_keys: Mapping[str, SecretStr]
    mcp_variables: Mapping[str, SecretStr]


SECTIONS: Final[Mapping[str, type[Section]]] = {
    field.name: field.type for field in fields(Settings) if isinstance(field.type, type) and issubclass(field.type, Section)
}


def load_settings(folder: Path = ROOT) -> Settings:
    """Read the environment and the first settings file in `folder`; raise SettingsInvalid naming every variable at fault."""
    environment = _environment(folder)
    file = settings_file(folder, environment)
    problems = [*_unknown_variables(file), *_several_processes(file)]
    sections: dict[str, Section] = {}
    for name, section in SECTIONS.items():
        try:
            sections[name] = section(**{"_env_file": file, **_DEFAULTS.get(environment, {})})  # type: ignore[arg-type]  # pydantic-settings' own
        except ValidationError as error:
            problems += _sentences(error)
    named = {"model_keys": _model_keys(file), "mcp_variables": _mcp_variables(file)}
    # A section that is wrong is stood in for by its defaults, so that what is wrong with the others is told at once.
    stand_ins = {name: section.model_construct() for name, section in SECTIONS.items() if name not in sections}
    settings = Settings(environment=environment, **named, **stand_ins, **sections)  # type: ignore[arg-type]  # each name has the type of its section
    problems += _not_of([SECTIONS[name] for name in stand_ins], [*_contradictions(settings), *_weaknesses(settings)])
    if problems:
        raise SettingsInvalid("\n".join([*problems, *_tier_faults(settings)]))
    return settings


def _not_of(sections: Iterable[type[Section]], faults: Iterable[str]) -> Iterator[str]:
    """Those that are no word about these sections, of which nobody knows what they would have said."""
    theirs = {str(field.validation_alias) for section in sections for field in section.model_fields.values()}
    return (fault for fault in faults if theirs.isdisjoint(re.findall(r"[A-Z][A-Z_]+", fault)))


def _tier_faults(settings: Settings) -> Iterator[str]:
    """What would be told next."""
    try:
        read_tiers(settings.limits.tiers_file)
    except SettingsInvalid as error:
        yield error.detail


def variables() -> Iterator[tuple[str, str, str]]:
    """Name, default as written in a file, and description of every variable, for `.env.example` and the docs."""
    yield "APP_ENV", Environment.DEVELOPMENT.value, "development, staging, production or test; dev, stage and prod will do"
    for section in SECTIONS.values():
        for field in section.model_fields.values():
            yield str(field.validation_alias), _written(field.default), field.description or ""


def _written(value: object) -> str:
    match value:
        case SecretStr() | None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
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


def settings_file(folder: Path, environment: Environment) -> Path | None:
    """The one that is read."""
    names = (f".env.{environment}.local", f".env.{environment}", ".env.local", ".env")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _model_keys(file: Path | None) -> Mapping[str, SecretStr]:
    """Every provider's key that is set, by its variable: models.yaml says which model needs which."""
    return {name: SecretStr(value) for name, value in _values(file).items() if name.endswith(_KEY_SUFFIX)}


def _mcp_variables(file: Path | None) -> Mapping[str, SecretStr]:
    """What MCP_FILE may name; nothing else of our environment can reach a stranger's server, whatever stands in that file."""
    ours = {name for name, _, _ in variables()}
    named = {name: value for name, value in _values(file).items() if name.startswith(_MCP_PREFIX) or name.endswith(_KEY_SUFFIX)}
    return {name: SecretStr(value) for name, value in named.items() if name not in ours}


def _values(file: Path | None) -> dict[str, str]:
    return {**_filled(dotenv_values(file) if file else {}), **_filled(os.environ)}


def _filled(values: Mapping[str, str | None]) -> dict[str, str]:
    """Those that are set: an empty variable hides nothing."""
    return {name: value for name, value in values.items() if value}


def _unknown_variables(file: Path | None) -> Iterator[str]:
    known = {*(name for name, _, _ in variables()), *_PROCESSES, *OF_COMPOSE}
    for name in dotenv_values(file) if file else ():
        if name.upper() not in known and not name.endswith(_KEY_SUFFIX) and not name.startswith(_MCP_PREFIX):
            yield f"{name}: is in {file and file.name}, but there is no such setting."


def _several_processes(file: Path | None) -> Iterator[str]:
    """What would have uvicorn, or who reads such a variable before it, start more than one process."""
    values = _values(file)
    for name in _PROCESSES:
        if values.get(name, "1").strip() != "1":
            yield f"{name}: {_ONE_PROCESS}"


def _sentences(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        yield f"{problem['loc'][0]}: {in_words(problem)}."


def _contradictions(settings: Settings) -> Iterator[str]:
    """Settings of two sections that cannot both be meant; a default gives way to what is set."""
    yield from settings.tracing.faults()
    yield from settings.evals.faults()
    yield from settings.oidc.faults(settings.server, is_at_home=settings.environment in {Environment.DEVELOPMENT, Environment.TEST})
    if "turn_seconds" in settings.models.model_fields_set and settings.models.turn_seconds > settings.runs.timeout_seconds:
        yield "LLM_TURN_SECONDS: must not be more than RUN_TIMEOUT_SECONDS, which ends the whole run and the model calls with it."
    mail = settings.mail
    if mail.smtp_url.get_secret_value():
        yield from (
            f"{name}: must be set where SMTP_URL is."
            for name, value in (("MAIL_FROM", mail.sender), ("PUBLIC_URL", settings.server.public_url))
            if not value
        )
    elif settings.accounts.require_verified_email and settings.environment is not Environment.DEVELOPMENT:
        yield "REQUIRE_VERIFIED_EMAIL: needs SMTP_URL, or nobody could come in."


def _weaknesses(settings: Settings) -> Iterator[str]:
    """What is bearable at a desk and not in production."""
    if settings.environment not in {Environment.PRODUCTION, Environment.STAGING}:
        return
    yield from _weak_accounts(settings)
    token = settings.metrics.token
    if token.get_secret_value() and (weakness := weakness_of(token)):
        yield f"METRICS_TOKEN: {weakness} in {settings.environment}."
    if any(map(weakness_of, map(SecretStr, settings.webhooks.named_keys))):
        yield f"WEBHOOK_KEYS: each must be at least {MIN_SECRET_BYTES} random bytes, and no known example."
    if settings.environment is Environment.PRODUCTION and settings.server.debug:
        yield "DEBUG: must be false in production."
    if settings.environment is Environment.PRODUCTION and settings.database.migrate_on_start:
        yield "MIGRATE_ON_START: must be false in production; run `python -m app migrate up` before the server."


def _weak_accounts(settings: Settings) -> Iterator[str]:
    accounts = settings.accounts
    if weakness := weakness_of(accounts.jwt_secret_key):
        yield f"JWT_SECRET_KEY: {weakness} in {settings.environment}."
    if weakness := next(filter(None, map(weakness_of, accounts.jwt_previous_secret_keys)), None):
        yield f"JWT_PREVIOUS_SECRET_KEYS: each {weakness} in {settings.environment}; leave it out and have everybody log in again."
    if accounts.hash_memory_kib < _LEAST_HASH_KIB:
        yield f"HASH_MEMORY_KIB: must be {_LEAST_HASH_KIB} or more in {settings.environment}."
