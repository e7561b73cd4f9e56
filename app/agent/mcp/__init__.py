"""Tools from elsewhere: MCP servers that a file names, each held in one session for the whole process."""
