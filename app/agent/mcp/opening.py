"""Open the lines to the MCP servers, and hand the agents the tools as they come."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from pydantic import SecretStr

from app.agent.mcp.file import McpServer
from app.agent.registry import Agents

# A server of ours waits so long for those that are up, and for those that are not it does not wait.
_START_SECONDS: Final = 5
# A program has 2 seconds to end by itself, and 2 more before it is killed.
_STOP_SECONDS: Final = 8


@asynccontextmanager
async def open_mcp(servers: Sequence[McpServer], variables: Mapping[str, SecretStr], agents: Agents) -> AsyncGenerator[None]:
    """Leaving ends the programs that were started."""
    if not servers:
        yield
        return
    # A second of imports that nobody pays who names no server.
    from app.agent.mcp.equipment import Equipment  # noqa: PLC0415
    from app.agent.mcp.line import Line  # noqa: PLC0415

    equipment = Equipment(agents)
    lines = [Line(server, variables, equipment.bring) for server in servers]
    keeping = [asyncio.create_task(line.keep(), name=f"mcp-{line.server.name}") for line in lines]
    try:
        await asyncio.wait([asyncio.create_task(line.tried.wait()) for line in lines], timeout=_START_SECONDS)
        yield
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping, timeout=_STOP_SECONDS)
