"""What a session may set of the researcher."""

from typing import Annotated, Final

from pydantic import Field

from app.agent.config import AgentConfig

MOST_WORKERS: Final = 6


class ResearcherConfig(AgentConfig):
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS, description="Most questions that are researched side by side")] = 4
    pages: Annotated[int, Field(ge=1, le=5, description="Most pages that are read for each question")] = 3
    ask_first: Annotated[bool, Field(description="Show the plan, and wait for a yes before anything is searched")] = False
    critic: Annotated[bool, Field(description="Have the answer reviewed, and written once more if it has to be")] = True
