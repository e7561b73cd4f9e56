"""What looks at content before a model and after it."""

from typing import Literal

from pydantic import Field

from app.settings.sections import RootedPath, Seconds, Section


class HookSettings(Section):
    masks: bool = Field(
        False,
        validation_alias="PII_MASKING",
        description="Keep emails, phone numbers, cards, bank accounts and keys in prompts from providers; transcripts keep them",
    )
    blocklist: RootedPath | None = Field(
        None, validation_alias="MODERATION_BLOCKLIST", description="File of phrases, one a line: an answer with one of them is withheld"
    )
    holds_answers: bool = Field(
        False,
        validation_alias="HOOK_HOLD_ANSWERS",
        description="Show an answer once hooks have seen all of it; false shows it as it comes, and takes it back",
    )
    seconds: Seconds = Field(5, validation_alias="HOOK_SECONDS", description="How long a content hook may take")
    failure: Literal["closed", "open"] = Field(
        "closed",
        validation_alias="HOOK_FAILURE",
        description="closed: when a hook fails, so does the answer; open: it goes on without the hook",
    )
