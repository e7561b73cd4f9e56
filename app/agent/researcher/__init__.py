"""An agent that is several: a planner, workers that search and read side by side, a writer, and a critic."""

from typing import Final

from app.agent.config import Limits
from app.agent.researcher.config import MOST_WORKERS, ResearcherConfig
from app.agent.researcher.graph import build_researcher
from app.agent.researcher.recounting import recount
from app.agent.spec import Agent
from app.agent.tools.web_search import web_search

RESEARCHER: Final = Agent(
    name="researcher",
    description="Researches a question on the web: plans, searches and reads several things at once, and answers with numbered sources.",
    build=build_researcher,
    tools=(web_search,),
    examples=("How did Postgres begin, and who leads it now?", "Which is longer, the Danube or the Rhine?"),
    takes_tools=False,  # a page that is read must find nothing to call
    config=ResearcherConfig,
    limits=Limits(steps=25, tool_calls=MOST_WORKERS, seconds=240),  # a search for each worker: a plan with more is cut
    events=frozenset({"memory", "token", "reasoning", "step", "interrupt"}),
    recount=recount,
)
