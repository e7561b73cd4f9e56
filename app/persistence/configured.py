"""Which agent a session has, and what it has set of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How a new session is held: with which agent, and what it sets of it."""

    remembers: bool = True
    temporary: bool = False
    agent: str = "assistant"
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What a session had set of its agent, from its version on."""

    version: int
    config: Mapping[str, Any]
    created_at: datetime


def config_sql(session_id: str, version: str) -> str:
    """The configuration of this version, an empty object where nothing was set."""
    return f"coalesce((SELECT config FROM session_config AS one WHERE one.session_id = {session_id} AND one.version = {version}), '{{}}')"


def agent_sql(session_id: str) -> str:
    """The name of the session's agent."""
    return f"(SELECT agent FROM session WHERE id = {session_id})"
