"""What is asked of a target: so many users at once, so many turns each, answers of one known text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.stub.chat import numbered_text

# A question that ends so is answered with a call of a tool first.
WANTS_TOOL: Final = "What time is it?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Users talk all at once, each sending the next message as soon as the last answer has ended.

    `stages`: so many turns, then the books are closed and opened again. `compare`: which two stages to set side by side. `spread`: users
    begin one after the other over the length of an answer, else all in the same moment. `tool_every`: every so many questions need a tool.
    `seconds`: what is not answered after that time has failed.
    """

    title: str
    users: int
    stages: tuple[int, ...]
    tokens: int
    tokens_per_second: int = 0
    whole: bool = False
    spread: bool = False
    tool_every: int = 0
    compare: tuple[tuple[int, int], ...] = ()
    targets: tuple[str, ...] = ("floor", "graph", "server")
    seconds: float = 60
    in_default_set: bool = True

    @property
    def turns(self) -> int:
        return sum(self.stages)

    @property
    def model(self) -> str:
        return f"stub-{self.tokens}" + (f"x{self.tokens_per_second}" if self.tokens_per_second else "")

    @property
    def expected_text(self) -> str:
        return "".join(numbered_text(self.tokens, 0).pieces)

    def question(self, user: int, turn: int) -> str:
        """No two are the same, so that the stub can say when it answered which."""
        needs_tool = self.tool_every and (user + turn) % self.tool_every == 0
        return f"User {user} asks question {turn}." + (f" {WANTS_TOOL}" if needs_tool else "")

    def starts_after_seconds(self, user: int) -> float:
        answer_seconds = self.tokens / self.tokens_per_second if self.tokens_per_second else 0
        return answer_seconds * user / self.users if self.spread else 0

    def __str__(self) -> str:
        speed = f"{self.tokens_per_second} tokens/s" if self.tokens_per_second else "full speed"
        users = "1 user" if self.users == 1 else f"{self.users} users"
        return f"{users}, {self.turns} turns each, {self.tokens} tokens an answer at {speed}"


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "single": Scenario(title="One user", users=1, stages=(20,), tokens=50),
    "first-token": Scenario(
        title="One user, as fast as a model speaks",
        users=1,
        stages=(20,),
        tokens=50,
        tokens_per_second=50,
        targets=("stub", "floor", "graph", "server"),
        seconds=90,
    ),
    "chat": Scenario(title="Fifty users at full speed", users=50, stages=(4,), tokens=100),
    "tools": Scenario(
        # Every fourth question makes two calls of the model: one call in five is answered with a tool call.
        title="A fifth of the model's answers are tool calls",
        users=50,
        stages=(4,),
        tokens=100,
        tool_every=4,
        targets=("graph", "server"),
    ),
    "whole": Scenario(title="Fifty users, no streaming", users=50, stages=(4,), tokens=100, whole=True),
    "streams-200": Scenario(
        title="Two hundred streams",
        users=200,
        stages=(3,),
        tokens=100,
        tokens_per_second=20,
        spread=True,
        targets=("stub", "floor", "graph", "server"),
        seconds=90,
    ),
    "streams-500": Scenario(
        title="Five hundred streams",
        users=500,
        stages=(3,),
        tokens=100,
        tokens_per_second=20,
        spread=True,
        targets=("stub", "floor", "graph", "server"),
        seconds=90,
    ),
    "long-session": Scenario(
        title="One session of five hundred turns",
        users=1,
        stages=(10, 20, 60, 20, 370, 20),
        tokens=50,
        tool_every=1,
        compare=((0, 3), (1, 5)),
        targets=("graph", "server"),
        seconds=180,
    ),
    "endurance": Scenario(
        title="Ten thousand turns",
        users=50,
        stages=(20,) * 10,
        tokens=10,
        compare=((0, 9),),
        targets=("server",),
        seconds=900,
        in_default_set=False,
    ),
}
