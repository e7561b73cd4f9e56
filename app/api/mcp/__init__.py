"""The server to elsewhere: an MCP server at /mcp, with each agent as a tool."""
