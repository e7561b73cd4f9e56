"""Milepost: a LangGraph agent server with checkpointed state."""

from typing import Final

VERSION: Final = "0.1.0"
