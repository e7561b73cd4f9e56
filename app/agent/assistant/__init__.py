"""The agent that a session has unless it names another: one model, its tools, and what it remembers of the user."""

from typing import Final

from app.agent.assistant.graph import build_assistant
from app.agent.spec import Agent
from app.agent.tools import TOOLS

ASSISTANT: Final = Agent(
    name="assistant",
    description="Answers and helps, with tools for time, sums and the web, and remembers what you tell it.",
    build=build_assistant,
    tools=TOOLS,
    examples=("What time is it in Oslo?", "What is 12*7?"),
)
