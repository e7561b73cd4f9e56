"""What can be configured: one frozen section per part, read once from the environment and one file.

The first of `.env.<environment>.local`, `.env.<environment>`, `.env.local` and `.env` that exists is read; the real environment
wins over it. `.env.example` lists every variable, and a test keeps it so.
"""

from app.settings.accounts import AccountSettings, MailSettings
from app.settings.database import DatabaseSettings
from app.settings.evals import EvalsSettings
from app.settings.faults import in_words
from app.settings.files import read_yaml
from app.settings.hooks import HookSettings
from app.settings.kept import AttachmentSettings, RetentionSettings
from app.settings.limits import LimitSettings
from app.settings.loading import Settings, load_settings, variables
from app.settings.mcp import McpSettings
from app.settings.memory import MemorySettings, RememberingSettings
from app.settings.metrics import MetricsSettings
from app.settings.oidc import OidcSettings
from app.settings.sections import (
    ROOT,
    SECONDS_PER_HOUR,
    CacheSettings,
    ContextSettings,
    Environment,
    LogSettings,
    ModelSettings,
    RedisSettings,
    RunSettings,
    ServerSettings,
    ToolSettings,
    WebAddress,
    WorkerSettings,
)
from app.settings.tiers import UNLIMITED, Tier, Tiers, read_tiers
from app.settings.tracing import TracingSettings
from app.settings.web import WebSettings
from app.settings.webhooks import WebhookSettings

__all__ = [
    "ROOT",
    "SECONDS_PER_HOUR",
    "UNLIMITED",
    "AccountSettings",
    "AttachmentSettings",
    "CacheSettings",
    "ContextSettings",
    "DatabaseSettings",
    "Environment",
    "EvalsSettings",
    "HookSettings",
    "LimitSettings",
    "LogSettings",
    "MailSettings",
    "McpSettings",
    "MemorySettings",
    "MetricsSettings",
    "ModelSettings",
    "OidcSettings",
    "RedisSettings",
    "RememberingSettings",
    "RetentionSettings",
    "RunSettings",
    "ServerSettings",
    "Settings",
    "Tier",
    "Tiers",
    "ToolSettings",
    "TracingSettings",
    "WebAddress",
    "WebSettings",
    "WebhookSettings",
    "WorkerSettings",
    "in_words",
    "load_settings",
    "read_tiers",
    "read_yaml",
    "variables",
]
