"""Tools from elsewhere, and the agents to elsewhere, by the Model Context Protocol."""

from pydantic import Field

from app.settings.sections import RootedPath, Section


class McpSettings(Section):
    file: RootedPath | None = Field(
        None, validation_alias="MCP_FILE", description="File that names MCP servers whose tools the agents may call; empty is none"
    )
    serves: bool = Field(True, validation_alias="MCP_SERVER", description="Be an MCP server too: at /mcp each agent is a tool")
