"""MCP_FILE: which MCP servers there are, which of their tools may be used, by which agents, and how."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from app.agent.registry import AGENTS, DEFAULT_AGENT
from app.errors import SettingsInvalid
from app.settings import WebAddress, read_yaml

_VARIABLE: Final = re.compile(r"MCP_[A-Z0-9_]+|[A-Z][A-Z0-9_]*_API_KEY")
# Without "_", which parts it from its tool's name: so no two servers can have tools of one name.
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,29}")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        # Not repeated: people put the secret itself here.
        raise ValueError("must name a variable that begins with MCP_ or ends in _API_KEY, in capitals, and never be the value itself")
    return name


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be 30 small letters, digits and hyphens at most, a letter first")
    return name


def _without_password(url: str) -> str:
    if urlsplit(url).username is not None:
        raise ValueError("must hold no user or password: name a variable in `headers` or `bearer`")
    return url


def _as_rule(given: object) -> object:
    return {"name": given} if isinstance(given, str) else given


Variable = Annotated[str, AfterValidator(_variable)]


class ToolRule(BaseModel):
    """A tool that may be used, by its server's name for it; its `approval` goes before its server's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    approval: bool | None = None
    once_only: bool = False


class _Server(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_name)]
    agents: tuple[str, ...] = (DEFAULT_AGENT,)
    tools: tuple[Annotated[ToolRule, BeforeValidator(_as_rule)], ...] = ()
    all: bool = False
    approval: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] | None = None

    @model_validator(mode="after")
    def _allows_something(self) -> Self:
        if not self.tools and not self.all:
            raise ValueError("must list in `tools` those that may be used, or say `all: true`")
        if not self.agents:
            raise ValueError("must name an agent in `agents`")
        return self

    def rule(self, tool: str) -> ToolRule | None:
        """How the tool may be used, None where it may not."""
        found = next((rule for rule in self.tools if rule.name == tool), None)
        return found or (ToolRule(name=tool[:200] or "?") if self.all else None)

    def needs_approval(self, rule: ToolRule) -> bool:
        return self.approval if rule.approval is None else rule.approval


class StdioServer(_Server):
    """A program that this process starts, and speaks with through its standard input and output.

    Of our environment it has what any program needs, PATH and HOME and the like, and by `env` what variables hold.
    """

    transport: Literal["stdio"]
    command: Annotated[str, Field(min_length=1)]
    args: tuple[str, ...] = ()
    env: dict[str, Variable] = {}

    def variables(self) -> Iterator[str]:
        yield from self.env.values()


class HttpServer(_Server):
    """A server elsewhere; `bearer` names the variable of a token, `headers` those of whole values."""

    transport: Literal["streamable_http"]
    url: Annotated[WebAddress, Field(min_length=1), AfterValidator(_without_password)]
    bearer: Variable | None = None
    headers: dict[str, Variable] = {}

    def variables(self) -> Iterator[str]:
        yield from ([self.bearer] if self.bearer else [])
        yield from self.headers.values()


type McpServer = StdioServer | HttpServer


class _Servers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: list[Annotated[StdioServer | HttpServer, Field(discriminator="transport")]]


def read_servers(file: Path | None, variables: Mapping[str, SecretStr]) -> Sequence[McpServer]:
    """None without a file; raise SettingsInvalid with a line for each fault."""
    if file is None:
        return ()
    servers = read_yaml("MCP_FILE", file, _Servers).servers
    if faults := [*_faults(servers, variables)]:
        raise SettingsInvalid("\n".join(f"MCP_FILE: {file.name}: {fault}." for fault in faults))
    return servers


def _faults(servers: Sequence[McpServer], variables: Mapping[str, Any]) -> Iterator[str]:
    names, agents = [server.name for server in servers], [agent.name for agent in AGENTS if agent.takes_tools]
    yield from (f"{name} is there more than once" for name in sorted({name for name in names if names.count(name) > 1}))
    for server in servers:
        yield from (
            f"{server.name}: there is no agent {agent} that takes more tools; there are {', '.join(agents)}"
            for agent in {*server.agents} - {*agents}
        )
        yield from (
            f"{server.name}: the variable {name} is not set, or is a setting of our own"
            for name in sorted({*server.variables()} - {*variables})
        )
