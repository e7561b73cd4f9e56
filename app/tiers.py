"""The tiers of `tiers.yaml`, each of whose models and tools there is: a name that is none would take something away without a word."""

from collections.abc import Collection, Iterator

from app.errors import SettingsInvalid
from app.llm.catalog import read_catalog
from app.llm.choice import DEMO
from app.settings import Settings, Tiers, read_tiers


def checked_tiers(settings: Settings) -> Tiers:
    """Raise SettingsInvalid, with a line for each name of a tier that means nothing here.

    What tools an MCP server has is known once it is up: whatever begins with its name may be one.
    """
    tiers = read_tiers(settings.limits.tiers_file)
    if faults := [*_of_models(tiers, settings), *_of_tools(tiers, settings)]:
        raise SettingsInvalid("\n".join(f"TIERS_FILE: {settings.limits.tiers_file.name}: {fault}." for fault in faults))
    return tiers


def _of_models(tiers: Tiers, settings: Settings) -> Iterator[str]:
    if all(tier.models is None for tier in tiers):
        return
    unlisted = {DEMO.name, settings.models.default_model} - {""}
    known = {spec.name for spec in read_catalog(settings.models.models_file)} | unlisted
    for tier in tiers:
        for name in sorted((tier.models or frozenset()) - known):
            yield f"{tier.name}: there is no model {name} in {settings.models.models_file.name}"


def _of_tools(tiers: Tiers, settings: Settings) -> Iterator[str]:
    if all(tier.tools is None for tier in tiers):
        return
    # A second of imports for those who name tools, and nobody else.
    from app.agent.mcp.file import read_servers  # noqa: PLC0415
    from app.agent.registry import AGENTS  # noqa: PLC0415

    known = {tool.name for agent in AGENTS for tool in agent.tools}
    servers = [f"{server.name}_" for server in read_servers(settings.mcp.file, settings.mcp_variables)]
    for tier in tiers:
        for name in _strange(tier.tools or frozenset(), known, servers):
            yield f"{tier.name}: there is no tool {name}, and no MCP server whose tool it could be; there are {', '.join(sorted(known))}"


def _strange(names: Collection[str], known: Collection[str], servers: Collection[str]) -> Iterator[str]:
    return (name for name in sorted(names) if name not in known and not name.startswith(tuple(servers)))
