"""What is asked of a target: so many users at once, so many turns each, answers of one known text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.stub.chat import numbered_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Users talk all at once, each sending the next message as soon as the last answer has ended."""

    users: int
    turns: int
    tokens: int
    tokens_per_second: int = 0

    @property
    def model(self) -> str:
        return f"stub-{self.tokens}" + (f"x{self.tokens_per_second}" if self.tokens_per_second else "")

    @property
    def expected_text(self) -> str:
        return "".join(numbered_text(self.tokens, 0).pieces)

    def __str__(self) -> str:
        speed = f"{self.tokens_per_second} tokens/s" if self.tokens_per_second else "full speed"
        return f"{self.users} users, {self.turns} turns each, {self.tokens} tokens an answer at {speed}"


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "chat": Scenario(users=50, turns=4, tokens=100),
    # As fast as a model speaks: here the log is written many times in an answer.
    "paced": Scenario(users=50, turns=4, tokens=100, tokens_per_second=20),
}
